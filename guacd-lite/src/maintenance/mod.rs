//! Heeds what the platform announces for the machine below: keeps new sessions away in time, lets live ones go on
//! until it begins, and says when nobody would miss the machine. Announcements may be called off.
//!
//! # Specification
//! Azure, "Scheduled Events for Linux VMs", API version 2020-07-01.

mod events;
mod metadata;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use guac_protocol::Status;
use guac_session::SessionEnd;
use guac_web::NotReady;
use tokio::time::{Instant, sleep, timeout};

use crate::config::maintenance::Maintenance;
use crate::supervisor::Work;

use self::events::{Document, Machine, Outlook};
use self::metadata::Metadata;

/// The first answer takes up to two minutes, for asking switches the service on; later ones are there at once.
const FIRST_ANSWER: Duration = Duration::from_secs(150);
const ANSWER: Duration = Duration::from_secs(15);

/// Longest pause between two questions to a service that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// After this time without an answer what was announced counts no more: a node must not stay out for ever because the
/// one who would call it back is gone. No event takes that long to begin.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 60);

/// Watches the Scheduled Events of an Azure machine.
pub(crate) struct ScheduledEvents {
    metadata: Metadata,
    /// Who we are, once that is known.
    machine: Option<Machine>,
    poll: Duration,
}

/// What was heard, and what came of it.
#[derive(Default)]
struct Heard {
    document: Document,
    /// The last answer.
    at: Option<Instant>,
    /// Held while there is a reason.
    held: Option<(String, NotReady)>,
    approved: HashSet<String>,
}

impl ScheduledEvents {
    /// `None`: nobody wants that.
    pub(crate) fn new(config: &Maintenance) -> Result<Option<Self>> {
        if !config.azure_scheduled_events {
            return Ok(None);
        }
        Ok(Some(Self {
            metadata: Metadata::new(config.authority()?),
            machine: config.azure_machine_name.as_deref().map(Machine::named),
            poll: Duration::from_secs(config.poll_interval_s),
        }))
    }

    /// Asks again and again, until dropped.
    pub(crate) async fn run(mut self, work: Work) {
        let mut heard = Heard::default();
        let mut pause = self.poll;
        let mut away = false;
        loop {
            let patience = if heard.at.is_some() { ANSWER } else { FIRST_ANSWER };
            let asked = timeout(patience, self.ask()).await.context("no answer in time").flatten();
            match asked {
                Ok(document) => {
                    if std::mem::take(&mut away) {
                        tracing::info!("The metadata service answers again");
                    }
                    (heard.document, heard.at, pause) = (document, Some(Instant::now()), self.poll);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    if std::mem::replace(&mut away, true) {
                        tracing::debug!(error, "The metadata service still does not answer");
                    } else {
                        tracing::warn!(
                            error,
                            "The metadata service does not answer; it is asked again from time to time"
                        );
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    if heard.at.is_some_and(|at| at.elapsed() > FORGET_AFTER) {
                        heard.document = Document::default();
                    }
                }
            }
            let outlook = self.heed(&mut heard, &work).await;
            // The end of patience is looked at in time, whether the service answers or not.
            sleep(outlook.next.unwrap_or(pause).min(pause)).await;
        }
    }

    async fn ask(&mut self) -> Result<Document> {
        if self.machine.is_none() {
            let machine = self.metadata.machine().await?;
            tracing::info!(%machine, "Heeding the scheduled events of this machine");
            self.machine = Some(machine);
        }
        self.metadata.events().await
    }

    /// Does what the announcements ask for at this moment.
    async fn heed(&self, heard: &mut Heard, work: &Work) -> Outlook {
        let Some(machine) = &self.machine else { return Outlook::default() };
        let outlook = heard.document.outlook(machine, SystemTime::now());
        match (&outlook.reason, &heard.held) {
            (Some(reason), Some((held, _))) if reason == held => {}
            (Some(reason), _) => {
                tracing::warn!(reason, "The platform announces something for this machine; no new sessions");
                // The new guard before the old one goes: never ready in between.
                heard.held = Some((reason.clone(), work.app.not_ready(reason.clone())));
            }
            (None, Some(_)) => {
                tracing::info!("Over, or called off: new sessions are welcome again");
                heard.held = None;
            }
            (None, None) => {}
        }
        heard.approved.retain(|id| heard.document.has(id));
        if outlook.begins && !work.live().is_nobody() {
            end_sessions(work);
        }
        if work.live().is_nobody() {
            for id in &outlook.may_begin {
                if !heard.approved.contains(id) {
                    self.approve(id, &mut heard.approved).await;
                }
            }
        }
        outlook
    }

    /// Tells the platform that it need not wait.
    async fn approve(&self, id: &str, approved: &mut HashSet<String>) {
        match timeout(ANSWER, self.metadata.approve(id)).await.context("no answer in time").flatten() {
            Ok(()) => {
                tracing::info!(event = id, "Nobody works here any more: the platform may begin");
                approved.insert(id.to_owned());
            }
            // It begins by itself in the end.
            Err(error) => {
                tracing::warn!(event = id, error = format!("{error:#}"), "The platform could not be told to begin")
            }
        }
    }
}

/// Ends everything with a status that makes clients come again, where the balancer leads them.
fn end_sessions(work: &Work) {
    let tunnels = work.app.registry().stop_all(Status::UpstreamUnavailable);
    let sessions = work.hub.sessions();
    for session in &sessions {
        work.hub.close(&session.connection_id, SessionEnd::shutdown());
    }
    tracing::warn!(tunnels, sessions = sessions.len(), "It begins: sessions end");
}
