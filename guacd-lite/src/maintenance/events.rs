//! What the platform announces, and what that means for one machine.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

/// All announcements for the machines that we hear of, ours and others'.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "Events", default)]
    events: Vec<Event>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_id: String,
    event_type: String,
    #[serde(default)]
    event_status: String,
    #[serde(default)]
    resources: Vec<String>,
    /// As in HTTP; empty once it has begun.
    #[serde(default)]
    not_before: String,
}

/// Who we are, as announcements name machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    name: String,
    resource_id: Option<String>,
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Why no new sessions are taken.
    pub(super) reason: Option<String>,
    /// The machine stops now, and so do the sessions.
    pub(super) begins: bool,
    /// Until the next moment that matters, if it is known.
    pub(super) next: Option<Duration>,
    /// What may begin as soon as nobody works here.
    pub(super) may_begin: Vec<String>,
}

/// What becomes of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It stands still for some seconds, and goes on where it was. Sessions survive that.
    Pauses,
    /// What runs on it ends.
    Stops,
}

impl Machine {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), resource_id: None }
    }

    pub(super) fn new(name: String, resource_id: Option<String>) -> Self {
        Self { name, resource_id }
    }

    fn is(&self, resource: &str) -> bool {
        self.name.eq_ignore_ascii_case(resource)
            || self.resource_id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(resource))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Document {
    pub(super) fn has(&self, id: &str) -> bool {
        self.events.iter().any(|event| event.event_id == id)
    }

    pub(super) fn outlook(&self, machine: &Machine, now: SystemTime) -> Outlook {
        let mut outlook = Outlook::default();
        let mut kinds = Vec::new();
        for event in self.events.iter().filter(|event| event.resources.iter().any(|name| machine.is(name))) {
            kinds.push(event.type_for_people());
            if event.kind() == Kind::Pauses {
                continue;
            }
            let started = event.event_status.eq_ignore_ascii_case("Started");
            match event.begins() {
                _ if started => outlook.begins = true,
                Some(time) if time <= now => outlook.begins = true,
                Some(time) => {
                    let left = time.duration_since(now).unwrap_or_default();
                    outlook.next = Some(outlook.next.map_or(left, |next| next.min(left)));
                }
                None => {}
            }
            // Saying so for others as well would stop them, too, with whom they serve.
            if !started && event.resources.iter().all(|name| machine.is(name)) {
                outlook.may_begin.push(event.event_id.clone());
            }
        }
        if !kinds.is_empty() {
            kinds.sort_unstable();
            kinds.dedup();
            outlook.reason = Some(format!("maintenance: {}", kinds.join(", ")));
        }
        outlook
    }
}

impl Event {
    fn kind(&self) -> Kind {
        match &*self.event_type {
            "Reboot" | "Redeploy" | "Preempt" | "Terminate" => Kind::Stops,
            // Kinds nobody knows yet end nothing on a guess.
            _ => Kind::Pauses,
        }
    }

    /// It is logged and shown, so it is a short word whatever was sent.
    fn type_for_people(&self) -> String {
        self.event_type.chars().filter(char::is_ascii_alphanumeric).take(32).collect()
    }

    fn begins(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(&self.not_before).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(events: &str) -> Document {
        serde_json::from_str(&format!(r#"{{"DocumentIncarnation":3,"Events":[{events}]}}"#)).unwrap()
    }

    fn event(id: &str, kind: &str, status: &str, resources: &str, not_before: &str) -> String {
        format!(
            r#"{{"EventId":"{id}","EventType":"{kind}","ResourceType":"VirtualMachine","Resources":[{resources}],
            "EventStatus":"{status}","NotBefore":"{not_before}","Description":"","EventSource":"Platform",
            "DurationInSeconds":-1}}"#
        )
    }

    const AT: &str = "Mon, 19 Sep 2022 18:29:47 GMT";

    fn seconds_before(seconds: u64) -> SystemTime {
        httpdate::parse_http_date(AT).unwrap() - Duration::from_secs(seconds)
    }

    fn ours() -> Machine {
        Machine::new("gate-1".into(), Some("/subscriptions/s/x/gate-1".into()))
    }

    #[test]
    fn sessions_end_when_a_stop_begins_and_not_before() {
        for kind in ["Reboot", "Redeploy", "Preempt", "Terminate"] {
            let document = document(&event("a", kind, "Scheduled", "\"gate-1\"", AT));
            let before = document.outlook(&ours(), seconds_before(90));
            let expected = Outlook {
                reason: Some(format!("maintenance: {kind}")),
                begins: false,
                next: Some(Duration::from_secs(90)),
                may_begin: vec!["a".into()],
            };
            assert_eq!(before, expected);
            assert!(document.outlook(&ours(), seconds_before(0)).begins);
        }
        let begun = document(&event("a", "Reboot", "Started", "\"gate-1\"", "")).outlook(&ours(), seconds_before(0));
        assert!(begun.begins && begun.may_begin.is_empty(), "it needs no leave");
    }

    #[test]
    fn a_freeze_ends_nothing_and_is_not_hastened() {
        for status in ["Scheduled", "Started"] {
            let outlook = document(&event("a", "Freeze", status, "\"gate-1\"", "")).outlook(&ours(), seconds_before(0));
            assert_eq!(outlook, Outlook { reason: Some("maintenance: Freeze".into()), ..Outlook::default() });
        }
    }

    #[test]
    fn other_machines_do_not_matter_and_are_not_stopped_by_us() {
        let others = document(&event("a", "Reboot", "Started", "\"gate-2\", \"gate-10\"", ""));
        assert_eq!(others.outlook(&ours(), seconds_before(0)), Outlook::default());
        let both = document(&event("a", "Reboot", "Scheduled", "\"gate-2\", \"GATE-1\"", AT));
        let outlook = both.outlook(&ours(), seconds_before(9));
        assert!(outlook.reason.is_some() && outlook.may_begin.is_empty());
        let by_id = document(&event("a", "Reboot", "Scheduled", "\"/subscriptions/S/x/gate-1\"", AT));
        assert_eq!(by_id.outlook(&ours(), seconds_before(9)).may_begin, ["a"]);
    }

    #[test]
    fn several_at_once_are_named_together_and_the_first_counts() {
        let later = "Mon, 19 Sep 2022 18:59:47 GMT";
        let events = [
            event("a", "Redeploy", "Scheduled", "\"gate-1\"", later),
            event("b", "Freeze", "Scheduled", "\"gate-1\"", AT),
            event("c", "Reboot", "Scheduled", "\"gate-1\"", AT),
            event("d", "<b>N\\new</b>", "Scheduled", "\"gate-1\"", "some day"),
        ];
        let outlook = document(&events.join(",")).outlook(&ours(), seconds_before(7));
        assert_eq!(outlook.reason.as_deref(), Some("maintenance: Freeze, Reboot, Redeploy, bNewb"));
        assert_eq!((outlook.next, outlook.begins), (Some(Duration::from_secs(7)), false));
        assert_eq!(outlook.may_begin, ["a", "c"]);
    }
}
