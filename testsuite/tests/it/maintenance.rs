//! What the platform announces for the machine below, and how the daemon heeds it.

use guac_protocol::Status;
use testsuite::{Daemon, GuacClient, Home, MetadataService, Sshd, scheduled_event, wait_until};

/// A time that no test lives to see, and one that has passed.
const LATER: &str = "Fri, 01 Jan 2100 00:00:00 GMT";
const PAST: &str = "Mon, 19 Sep 2022 18:29:47 GMT";

struct World {
    metadata: MetadataService,
    daemon: Daemon,
    shell: String,
    params: Vec<(String, String)>,
    _home: Home,
}

fn world(sshd: &Sshd) -> World {
    let metadata = MetadataService::start("gate-1");
    let home = Home::new();
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection("shell", "ssh", &params);
    let daemon = home.start_with(&[
        ("GUACD_LITE_MAINTENANCE_AZURE_SCHEDULED_EVENTS", "true"),
        ("GUACD_LITE_MAINTENANCE_AZURE_METADATA_URL", &metadata.url()),
        ("GUACD_LITE_MAINTENANCE_POLL_INTERVAL_S", "1"),
    ]);
    World { metadata, daemon, shell, params, _home: home }
}

impl World {
    fn readiness(&self) -> String {
        self.daemon.http("GET", "/readyz", &[], "").body
    }

    fn becomes(&self, readiness: &str) {
        wait_until(readiness, || self.readiness() == readiness);
    }

    /// Waits until what is announced now has been heard.
    fn is_heard(&self) {
        let asked = self.metadata.asked();
        wait_until("two more questions", || self.metadata.asked() >= asked + 2);
    }

    /// A browser's session and one of another gateway.
    fn work(&self) -> [GuacClient; 2] {
        let mut clients = [self.daemon.browse(&self.shell), self.daemon.open("ssh", &self.params)];
        for client in &mut clients {
            client.reads("ready");
        }
        clients
    }

    fn refuses(&self) {
        let mut refused = self.daemon.browse(&self.shell);
        refused.end();
        let status = Status::UpstreamUnavailable;
        assert_eq!(refused.closed, Some(format!("{} {}", status.websocket(), status.code())));
    }

    fn welcomes(&self) {
        let mut welcome = self.daemon.browse(&self.shell);
        welcome.reads("ready");
    }
}

#[test]
fn a_reboot_waits_for_those_who_work_and_may_begin_when_they_have_left() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    let mut clients = world.work();
    world.metadata.announce(vec![scheduled_event("e1", "Reboot", "gate-1", "Scheduled", LATER)]);
    world.becomes("not ready: maintenance: Reboot\n");
    world.refuses();
    world.is_heard();
    for client in &mut clients {
        client.write("still here\n");
        client.reads("still here\nstill here");
    }
    assert!(world.metadata.approved().is_empty(), "somebody works here");
    drop(clients);
    wait_until("the leave to begin", || world.metadata.approved() == ["e1"]);
    world.is_heard();
    assert_eq!(world.metadata.approved(), ["e1"], "once is enough");
    assert!(world.daemon.stop().status.success());
}

#[test]
fn when_it_begins_sessions_are_told_to_come_again_and_afterwards_new_ones_are_welcome() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    let [mut browser, mut gateway] = world.work();
    world.metadata.announce(vec![scheduled_event("e1", "Redeploy", "gate-1", "Scheduled", PAST)]);
    let status = Status::UpstreamUnavailable;
    browser.end();
    assert_eq!(browser.closed, Some(format!("{} {}", status.websocket(), status.code())));
    assert_eq!(gateway.end().1, u32::from(status.code()));
    world.metadata.announce(Vec::new());
    world.becomes("ready\n");
    world.welcomes();
    assert!(world.daemon.stop().status.success());
}

#[test]
fn a_freeze_ends_no_session_a_cancelled_event_is_forgotten_and_other_machines_do_not_matter() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    let mut clients = world.work();
    world.metadata.announce(vec![scheduled_event("e1", "Reboot", "gate-2", "Started", "")]);
    world.is_heard();
    assert_eq!(world.readiness(), "ready\n");

    for event in [("Freeze", "Scheduled", LATER), ("Freeze", "Started", ""), ("Reboot", "Scheduled", LATER)] {
        let (kind, status, not_before) = event;
        world.metadata.announce(vec![scheduled_event("e2", kind, "gate-1", status, not_before)]);
        world.becomes(&format!("not ready: maintenance: {kind}\n"));
        world.refuses();
    }
    world.metadata.announce(Vec::new());
    world.becomes("ready\n");
    world.welcomes();
    for client in &mut clients {
        client.write("still here\n");
        client.reads("still here\nstill here");
    }
    assert!(world.metadata.approved().is_empty());
    drop(clients);
    assert!(world.daemon.stop().status.success());
}

#[test]
fn a_metadata_service_that_is_away_is_told_of_once_and_asked_again() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.is_heard();
    world.metadata.away(true);
    let complaint = "The metadata service does not answer";
    wait_until("a complaint", || world.daemon.log().contains(complaint));
    assert_eq!(world.readiness(), "ready\n");
    world.welcomes();
    world.metadata.announce(vec![scheduled_event("e1", "Preempt", "gate-1", "Scheduled", LATER)]);
    world.metadata.away(false);
    world.becomes("not ready: maintenance: Preempt\n");
    let log = world.daemon.log();
    assert_eq!(log.matches(complaint).count(), 1, "{log}");
    assert!(log.contains("The metadata service answers again"), "{log}");
    assert!(world.daemon.stop().status.success());
}
