//! Touch: fingers of users as contacts of the machine's digitizer.
//!
//! # Specification
//! [MS-RDPEI]

use std::time::Instant;

use guac_display::Surface;
use guac_session::{Event, Stage, UserKey};
use ironrdp_dvc::DrdynvcClient;
use ironrdp_rdpei::{
    RdpeiClient, RdpeiInputState,
    contact::{TouchFrameBuilder, TouchPhase},
    pdu::{CsReadyFlags, RdpInputProtocolVersion, RdpeiPdu},
};
use ironrdp_svc::StaticChannelSet;

use super::Channel;
use crate::{RdpError, link::Link};

/// Fingers of all users together, as guacd announces it.
const MAX_CONTACTS: u16 = 10;

/// Property of the display that says so to clients, which send no touch before (P-062).
const PROPERTY: &str = "multi-touch";
const ANNOUNCED: &str = "10";
const WITHDRAWN: &str = "0";

/// Full pressure ([MS-RDPEI] 2.2.3.3.1.1).
const MAX_PRESSURE: f64 = 1024.0;

/// Largest coordinate of a desktop ([MS-RDPBCGR] 2.2.1.3.2).
const MAX_COORDINATE: i32 = 8192;

/// A finger that is down.
#[derive(Debug, Clone, Copy)]
struct Finger {
    user: UserKey,
    id: i32,
    /// When it said something last, in events.
    touched_at: u64,
}

/// Our end of the touch screen.
#[derive(Debug)]
pub(crate) struct Touch {
    began: Instant,
    /// By their contact's number.
    fingers: [Option<Finger>; MAX_CONTACTS as usize],
    events: u64,
    frames: TouchFrameBuilder,
    announced: bool,
}

impl Touch {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            fingers: [None; MAX_CONTACTS as usize],
            events: 0,
            frames: TouchFrameBuilder::new(MAX_CONTACTS),
            announced: false,
        }
    }

    fn forget(&mut self) {
        self.fingers = [None; MAX_CONTACTS as usize];
        self.frames.reset();
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn touch(&mut self, finger: Finger, at: (i32, i32), force: f64, suspended: bool) {
        let known =
            self.fingers.iter().position(|slot| slot.is_some_and(|f| f.user == finger.user && f.id == finger.id));
        let is_down = force > 0.0;
        let contact = match (known, is_down) {
            (None, false) => return,
            // What is not heard now must not be waiting later: only lifting is.
            (_, true) if suspended => return,
            (Some(contact), _) => contact,
            (None, true) => self.free_contact(),
        };
        if let Some(slot) = self.fingers.get_mut(contact) {
            *slot = is_down.then_some(finger);
        }
        let phase = if is_down { TouchPhase::Started } else { TouchPhase::Ended };
        self.push(contact, phase, at, is_down.then(|| pressure(force)));
    }

    fn push(&mut self, contact: usize, phase: TouchPhase, (x, y): (i32, i32), pressure: Option<u32>) {
        let (x, y) = (x.clamp(0, MAX_COORDINATE), y.clamp(0, MAX_COORDINATE));
        let Ok(contact) = u64::try_from(contact) else { return };
        self.frames.push(contact, phase, x, y, pressure, self.now_us());
    }

    /// A contact for a new finger. With all in use it is the one that has been quiet for longest: that of a user who
    /// left without lifting, or nobody's loss among eleven fingers.
    fn free_contact(&mut self) -> usize {
        let quiet = |slot: &Option<Finger>| slot.map_or(0, |finger| finger.touched_at);
        let (contact, slot) = self.fingers.iter().enumerate().min_by_key(|(_, slot)| quiet(slot)).unwrap_or((0, &None));
        if slot.is_some() {
            self.push(contact, TouchPhase::Canceled, (0, 0), None);
        }
        contact
    }

    fn flush(&mut self, link: &mut Link) -> Result<(), RdpError> {
        match self.frames.take_event(self.now_us()) {
            Some(event) => link.send_dynamic::<RdpeiClient>(vec![Box::new(RdpeiPdu::Touch(event))]),
            None => Ok(()),
        }
    }
}

impl Channel for Touch {
    fn attach(&mut self, _fixed: &mut StaticChannelSet, dynamic: &mut DrdynvcClient) {
        self.forget();
        dynamic.attach_dynamic_channel(processor());
    }

    fn handle(
        &mut self,
        event: Event,
        link: &mut Link,
        _stage: &mut Stage<Surface>,
    ) -> Result<Option<Event>, RdpError> {
        let Event::Touch { user, id, x, y, force, .. } = event else { return Ok(Some(event)) };
        let state = state(link);
        if state.touch {
            self.events = self.events.saturating_add(1);
            self.touch(Finger { user, id, touched_at: self.events }, (x, y), force, state.suspended);
            if !state.suspended {
                self.flush(link)?;
            }
        }
        Ok(None)
    }

    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let state = state(link);
        if state.touch != self.announced {
            self.announced = state.touch;
            self.forget();
            stage.publish_property(PROPERTY, if state.touch { ANNOUNCED } else { WITHDRAWN });
        }
        if state.touch && !state.suspended && self.frames.has_pending_frames() {
            self.flush(link)?;
        }
        Ok(())
    }
}

fn processor() -> RdpeiClient {
    RdpeiClient::new(MAX_CONTACTS, CsReadyFlags::empty(), RdpInputProtocolVersion::V200)
}

/// What the server takes; nothing before it opened the channel.
fn state(link: &Link) -> RdpeiInputState {
    link.channels.get_dvc::<RdpeiClient>().map(|channel| channel.processor().input_state()).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before; no number counts as 0")]
fn pressure(force: f64) -> u32 {
    (force.clamp(0.0, 1.0) * MAX_PRESSURE) as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use guac_session::Params;
    use ironrdp_dvc::{DrdynvcServer, encode_dvc_messages};
    use ironrdp_rdpei::{
        RdpeiHandler, RdpeiServer,
        pdu::{CsReadyPdu, TouchContact, TouchContactFlags as Flags, TouchEventPdu},
    };
    use ironrdp_svc::ChannelFlags;
    use proptest::prelude::*;

    use super::*;
    use crate::channels::testing::{Both, Pair, Scene};

    #[derive(Default)]
    struct Heard {
        max_contacts: u16,
        frames: Vec<Vec<TouchContact>>,
    }

    struct Digitizer(Both<Heard>);

    impl RdpeiHandler for Digitizer {
        fn cs_ready(&mut self, pdu: CsReadyPdu) {
            self.0.lock().unwrap().max_contacts = pdu.max_touch_contacts;
        }

        fn touch(&mut self, pdu: TouchEventPdu) {
            self.0.lock().unwrap().frames.extend(pdu.frames.into_iter().map(|frame| frame.contacts));
        }
    }

    /// A session with a touch screen in between.
    struct Screen {
        pair: Pair,
        scene: Scene,
        touch: Touch,
        heard: Both<Heard>,
    }

    impl Screen {
        async fn open() -> Self {
            let heard = Both::<Heard>::default();
            let server =
                DrdynvcServer::new().with_dynamic_channel(RdpeiServer::new(Box::new(Digitizer(Arc::clone(&heard)))));
            let client = DrdynvcClient::new().with_dynamic_channel(processor());
            let scene = Scene::open(Params::default()).await;
            Self { pair: Pair::new(client, server), scene, touch: Touch::new(), heard }
        }

        async fn started() -> Self {
            let mut screen = Self::open().await;
            screen.pair.start();
            screen.settle();
            screen
        }

        fn settle(&mut self) {
            loop {
                self.touch.poll(&mut self.pair.link, &mut self.scene.stage).unwrap();
                if self.pair.listen() == 0 {
                    return;
                }
            }
        }

        /// A finger of the owner's; gives the frames that arrived.
        async fn finger(&mut self, id: i32, (x, y): (i32, i32), force: f64) -> Vec<Vec<(u8, i32, i32, Flags)>> {
            let [id, x, y, force] = [id.to_string(), x.to_string(), y.to_string(), force.to_string()];
            let event = self.scene.hear(&[&["touch", &id, &x, &y, "1", "1", "0", &force]]).await;
            let left = self.touch.handle(event, &mut self.pair.link, &mut self.scene.stage).unwrap();
            assert!(left.is_none());
            self.settle();
            self.frames()
        }

        fn frames(&mut self) -> Vec<Vec<(u8, i32, i32, Flags)>> {
            let frames = std::mem::take(&mut self.heard.lock().unwrap().frames);
            let plain = |c: TouchContact| (c.contact_id, c.x, c.y, c.contact_flags);
            frames.into_iter().map(|contacts| contacts.into_iter().map(plain).collect()).collect()
        }

        fn say(&mut self, pdu: RdpeiPdu) {
            let id = self.pair.server::<DrdynvcServer>().get_channel_id_by_type::<RdpeiServer>().unwrap();
            let messages = encode_dvc_messages(id, vec![Box::new(pdu)], ChannelFlags::empty()).unwrap();
            self.pair.say(messages);
            self.settle();
        }
    }

    const DOWN: Flags = Flags::DOWN.union(Flags::INRANGE).union(Flags::INCONTACT);
    const UPDATE: Flags = Flags::UPDATE.union(Flags::INRANGE).union(Flags::INCONTACT);

    #[tokio::test]
    async fn fingers_go_down_move_and_lift_as_contacts_of_one_frame() {
        let mut screen = Screen::started().await;
        assert_eq!(screen.finger(7, (10, 20), 1.0).await, [[(0, 10, 20, DOWN)]]);
        assert_eq!(screen.finger(9, (30, 40), 0.5).await, [[(1, 30, 40, DOWN), (0, 10, 20, UPDATE)]]);
        assert_eq!(screen.finger(7, (11, 20), 1.0).await, [[(0, 11, 20, UPDATE), (1, 30, 40, UPDATE)]]);
        // Where it lifts is where it was.
        assert_eq!(screen.finger(7, (99, 99), 0.0).await, [[(0, 11, 20, Flags::UP), (1, 30, 40, UPDATE)]]);
        assert_eq!(screen.finger(8, (-5, 50_000), 1.0).await, [[(0, 0, 8192, DOWN), (1, 30, 40, UPDATE)]]);
        assert!(screen.finger(7, (1, 1), 0.0).await.is_empty());
    }

    #[tokio::test]
    async fn touch_is_announced_when_the_server_takes_it_and_to_later_joiners() {
        let mut screen = Screen::open().await;
        assert!(screen.scene.told().await.is_empty());
        assert!(screen.finger(1, (1, 1), 1.0).await.is_empty());
        screen.pair.start();
        screen.settle();
        assert_eq!(screen.heard.lock().unwrap().max_contacts, 10);
        assert_eq!(screen.scene.told().await, [["set", "0", "multi-touch", "10"]]);
        let mut joiner = screen.scene.join().await;
        let told = tokio::select! {
            event = screen.scene.stage.next() => panic!("{event:?}"),
            told = joiner.hear_until(&["set"]) => told,
        };
        assert!(told.iter().any(|elements| *elements == ["set", "0", "multi-touch", "10"]), "{told:?}");
    }

    #[tokio::test]
    async fn an_eleventh_finger_takes_the_place_of_the_quietest() {
        let mut screen = Screen::started().await;
        for id in 0..10 {
            screen.finger(id, (id, 0), 1.0).await;
        }
        screen.finger(0, (100, 0), 1.0).await;
        let frames = screen.finger(10, (50, 50), 1.0).await;
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0][0], (1, 1, 0, Flags::UP | Flags::CANCELED));
        assert_eq!(frames[1][0], (1, 50, 50, DOWN));
        assert_eq!(frames[1].len(), 10);
    }

    #[tokio::test]
    async fn while_the_server_pauses_only_lifting_waits() {
        let mut screen = Screen::started().await;
        screen.finger(1, (10, 10), 1.0).await;
        screen.say(RdpeiPdu::SuspendInput);
        for x in 0..1000 {
            assert!(screen.finger(1, (x, 10), 1.0).await.is_empty());
        }
        assert!(screen.finger(2, (5, 5), 1.0).await.is_empty());
        assert!(screen.finger(1, (10, 10), 0.0).await.is_empty());
        screen.say(RdpeiPdu::ResumeInput);
        assert_eq!(screen.frames(), [[(0, 10, 10, Flags::UP)]]);
    }

    proptest! {
        #[test]
        fn whatever_fingers_do_every_frame_is_legal(
            events in prop::collection::vec((0..14, any::<i32>(), any::<i32>(), prop_oneof![Just(0.0), -1.0..2.0]), 1..60)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut screen = Screen::started().await;
                let mut down = [false; 10];
                for (id, x, y, force) in events {
                    for contact in screen.finger(id, (x, y), force).await.into_iter().flatten() {
                        let (id, _, _, flags) = contact;
                        assert!(flags.is_legal(), "{flags:?}");
                        let down = &mut down[usize::from(id)];
                        assert_eq!(*down, !flags.contains(Flags::DOWN), "{flags:?}");
                        *down = flags.contains(Flags::INCONTACT);
                    }
                }
            });
        }
    }
}
