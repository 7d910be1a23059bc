//! A link with doors for its streams: files go past the browser's tunnel, by requests of their own.
//!
//! While nothing is intercepted the session's batches pass without a lock and without a look; the browser's
//! instructions cost one lock that nobody else holds.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use guac_protocol::{Decoder, Instruction};

use crate::intercept_streams::StreamsHandle;
use crate::mux::{InterceptId, Mux, OpenStreams};
use crate::sync::{AtomicBool, Mutex, Waiters, lock};
use crate::{InstructionSink, Link, LinkClosed};

/// Gives a link streams that can be taken out of it and fed into it (T-053), whatever transport the link is for.
///
/// The handle does not keep the session: once the link is dropped, everything attached ends (T-065).
#[must_use]
pub fn intercept(link: Link) -> (Link, StreamsHandle) {
    let waiters = Arc::new(Waiters::new());
    let shared = Arc::new(Shared {
        active: AtomicBool::new(false),
        state: Mutex::new(State {
            sink: Some(link.sink),
            stash: None,
            browser_waits: false,
            open: OpenStreams::default(),
            bulk: None,
            woken: Vec::new(),
            over: false,
        }),
        waker: Waker::from(Arc::clone(&waiters)),
        waiters,
    });
    let handle = StreamsHandle { shared: Arc::downgrade(&shared) };
    let sink = Box::new(Sink { shared: Arc::clone(&shared) });
    let source = Source { inner: link.source, shared, over: false }.boxed();
    (Link { source, sink }, handle)
}

/// What the two halves of a link and its interceptions share.
pub(crate) struct Shared {
    /// Whether there is a [`Bulk`]: what the session's way to the browser looks at instead of the lock.
    active: AtomicBool,
    /// Held for a moment, never across an await.
    state: Mutex<State>,
    waiters: Arc<Waiters>,
    /// Of `waiters`.
    waker: Waker,
}

pub(crate) struct State {
    /// Gone once the browser's half is.
    sink: Option<Box<dyn InstructionSink>>,
    /// An instruction of the browser's that found its room taken. Goes before anything else.
    stash: Option<Box<str>>,
    /// The browser's input waits for room: nothing else is sent.
    browser_waits: bool,
    pub(crate) open: OpenStreams,
    /// There while something is attached.
    bulk: Option<Box<Bulk>>,
    /// To be woken once the lock is free.
    woken: Vec<Waker>,
    over: bool,
}

/// Interceptions and what they need: nothing of it is there in a tunnel without any.
#[derive(Default)]
pub(crate) struct Bulk {
    pub(crate) mux: Mux,
    wakers: Vec<(InterceptId, Waker)>,
    scratch: Vec<u8>,
    decoder: Decoder,
    unflushed: bool,
}

impl Bulk {
    /// Who is to be woken when something changes for this interception.
    pub(crate) fn register(&mut self, id: InterceptId, waker: &Waker) {
        match self.wakers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => known.clone_from(waker),
            None => self.wakers.push((id, waker.clone())),
        }
    }

    pub(crate) fn forget(&mut self, id: InterceptId) {
        self.wakers.retain(|(known, _)| *known != id);
    }

    /// Moves those who wait for something that has changed.
    fn wake_changed(&mut self, woken: &mut Vec<Waker>) {
        while let Some(id) = self.mux.poll_changed() {
            if let Some(at) = self.wakers.iter().position(|(known, _)| *known == id) {
                woken.push(self.wakers.swap_remove(at).1);
            }
        }
    }
}

impl Shared {
    /// Every use of the lock: tasks are woken after it.
    fn locked<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (done, woken) = {
            let mut state = lock(&self.state);
            let done = change(&mut state);
            (done, std::mem::take(&mut state.woken))
        };
        woken.into_iter().for_each(Waker::wake);
        done
    }

    /// Changes what is intercepted, and lets the tunnel notice. `None`: the tunnel is over.
    pub(crate) fn with_bulk<T>(&self, change: impl FnOnce(&mut Bulk, &OpenStreams) -> T) -> Option<T> {
        let done = self.locked(|state| {
            let State { open, bulk, woken, over, .. } = state;
            if *over && bulk.is_none() {
                return None;
            }
            let bulk = bulk.get_or_insert_default();
            let done = change(bulk, open);
            bulk.wake_changed(woken);
            self.active.store(true, Ordering::Release);
            Some(done)
        });
        self.waiters.source.wake();
        done
    }

    fn close(&self) {
        self.locked(|state| {
            state.over = true;
            if let Some(bulk) = &mut state.bulk {
                bulk.mux.close();
                bulk.wake_changed(&mut state.woken);
            }
        });
    }
}

impl State {
    /// Whether the sink has room, with both who might wait for it in mind.
    fn poll_room(&mut self, waker: &Waker) -> Poll<Result<(), LinkClosed>> {
        let Some(sink) = &mut self.sink else {
            return Poll::Ready(Err(LinkClosed));
        };
        sink.poll_ready(&mut Context::from_waker(waker))
    }

    fn send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.open.note(instruction);
        if let Some(bulk) = &mut self.bulk {
            bulk.mux.handle_browser(instruction);
            bulk.wake_changed(&mut self.woken);
        }
        self.sink.as_mut().ok_or(LinkClosed)?.start_send(instruction)
    }

    /// Sends what found no room before.
    fn poll_stash(&mut self, waker: &Waker) -> Poll<Result<(), LinkClosed>> {
        if self.stash.is_none() {
            return Poll::Ready(Ok(()));
        }
        std::task::ready!(self.poll_room(waker))?;
        let text = self.stash.take().unwrap_or_default();
        let mut decoder = Decoder::new();
        if decoder.feed(text.as_bytes()).is_ok()
            && let Ok(Some(instruction)) = decoder.next_instruction()
        {
            return Poll::Ready(self.send(&instruction));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends one instruction of the interceptions', if nothing of the browser's is in the way. `true`: look again soon.
    fn drive(&mut self, waker: &Waker) -> bool {
        let closed = match self.poll_stash(waker) {
            Poll::Pending => return false,
            Poll::Ready(done) => done.is_err(),
        };
        let mut sent = false;
        let mut failed = closed;
        if !closed && !self.browser_waits && self.bulk.as_ref().is_some_and(|bulk| bulk.mux.has_session_output()) {
            match self.poll_room(waker) {
                Poll::Pending => {}
                Poll::Ready(Err(LinkClosed)) => failed = true,
                Poll::Ready(Ok(())) => {
                    sent = true;
                    failed = self.send_bulk().is_err();
                }
            }
        }
        let Some(bulk) = &mut self.bulk else {
            return false;
        };
        if failed {
            bulk.mux.close();
        } else if bulk.unflushed
            && let Some(sink) = &mut self.sink
            && sink.poll_flush(&mut Context::from_waker(waker)).is_ready()
        {
            bulk.unflushed = false;
        }
        bulk.wake_changed(&mut self.woken);
        sent && bulk.mux.has_session_output()
    }

    fn send_bulk(&mut self) -> Result<(), LinkClosed> {
        let (Some(bulk), Some(sink)) = (&mut self.bulk, &mut self.sink) else {
            return Ok(());
        };
        let Bulk { mux, scratch, decoder, unflushed, .. } = &mut **bulk;
        scratch.clear();
        if mux.poll_session(scratch)
            && decoder.feed(scratch).is_ok()
            && let Ok(Some(instruction)) = decoder.next_instruction()
        {
            if let Ok(end) = guac_protocol::ClientInstruction::try_from(&instruction)
                && matches!(end, guac_protocol::ClientInstruction::End { .. })
            {
                self.open.note(&instruction);
            }
            *unflushed = true;
            sink.start_send(&instruction)?;
        }
        Ok(())
    }
}

/// What the session sends, on its way to the browser; it also drives what interceptions have for the session, as a
/// tunnel that does not take anything from the session must not feed it.
struct Source {
    inner: BoxStream<'static, Bytes>,
    shared: Arc<Shared>,
    over: bool,
}

impl Source {
    fn poll_active(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.shared.waiters.source.register(cx.waker());
        loop {
            let Shared { active, waker, .. } = &*self.shared;
            let (again, ready) = self.shared.locked(|state| {
                let again = state.drive(waker);
                let Some(bulk) = &mut state.bulk else {
                    return (again, None);
                };
                let ready = bulk.mux.poll_browser();
                if ready.is_none() && bulk.mux.is_idle() && !bulk.unflushed {
                    state.bulk = None;
                    active.store(false, Ordering::Release);
                }
                (again, ready)
            });
            if ready.is_some() {
                return Poll::Ready(ready);
            }
            if self.over {
                return Poll::Ready(None);
            }
            match self.inner.poll_next_unpin(cx) {
                Poll::Ready(Some(batch)) => self.shared.locked(|state| {
                    // Without interceptions it comes out again in the next round, as it is.
                    let bulk = state.bulk.get_or_insert_default();
                    bulk.mux.handle_session(batch);
                    bulk.wake_changed(&mut state.woken);
                }),
                Poll::Ready(None) => {
                    self.over = true;
                    self.shared.close();
                }
                Poll::Pending => {
                    if again {
                        // One at a time: whoever brings the browser's input may be part of the same task.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Stream for Source {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.shared.active.load(Ordering::Acquire) {
            return self.poll_active(cx);
        }
        if self.over {
            return Poll::Ready(None);
        }
        match self.inner.poll_next_unpin(cx) {
            Poll::Ready(None) => {
                self.over = true;
                self.shared.close();
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.shared.waiters.source.register(cx.waker());
                // What was attached since the look above found nobody to wake.
                if self.shared.active.load(Ordering::Acquire) { self.poll_active(cx) } else { Poll::Pending }
            }
            ready @ Poll::Ready(Some(_)) => ready,
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What the browser says, on its way to the session.
struct Sink {
    shared: Arc<Shared>,
}

impl Sink {
    /// Polls, and once more after the wish to be woken is known: the first round is nearly always enough.
    fn poll<T>(&self, cx: &mut Context<'_>, mut poll: impl FnMut(&mut State, &Waker) -> Poll<T>) -> Poll<T> {
        let Shared { waiters, waker, .. } = &*self.shared;
        self.shared.locked(|state| {
            if let Poll::Ready(done) = poll(state, waker) {
                return Poll::Ready(done);
            }
            waiters.browser.register(cx.waker());
            poll(state, waker)
        })
    }
}

impl InstructionSink for Sink {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        self.poll(cx, |state, waker| {
            let room = match state.poll_stash(waker) {
                Poll::Ready(Ok(())) => state.poll_room(waker),
                other => other,
            };
            state.browser_waits = room.is_pending();
            room
        })
    }

    fn start_send(&mut self, instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
        self.shared.locked(|state| match state.poll_room(&self.shared.waker) {
            Poll::Ready(room) => {
                room?;
                state.send(instruction)
            }
            Poll::Pending => {
                // A blob has taken the room that was promised. The next one waits until this is through.
                state.stash = Some(instruction.raw().into());
                Ok(())
            }
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
        self.poll(cx, |state, waker| {
            std::task::ready!(state.poll_stash(waker))?;
            state.sink.as_mut().ok_or(LinkClosed)?.poll_flush(&mut Context::from_waker(waker))
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let sink = self.shared.locked(|state| state.sink.take());
        self.shared.close();
        drop(sink);
    }
}

/// For the handle, which must not keep the session.
pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Arc<Shared>> {
    shared.upgrade().filter(|shared| shared.locked(|state| !state.over))
}

#[cfg(test)]
#[cfg(feature = "_loom")]
mod model {
    use std::sync::atomic::AtomicUsize;

    use futures_util::stream;
    use guac_protocol::StreamIndex;

    use super::*;

    /// A session without end that says nothing, and counts what it hears.
    struct Ears(Arc<AtomicUsize>);

    impl InstructionSink for Ears {
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), LinkClosed>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(&mut self, _instruction: &Instruction<'_>) -> Result<(), LinkClosed> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn quiet() -> (Link, StreamsHandle, Arc<AtomicUsize>) {
        let heard = Arc::new(AtomicUsize::new(0));
        let sink = Box::new(Ears(Arc::clone(&heard)));
        let (link, handle) = intercept(Link { source: stream::pending().boxed(), sink });
        (link, handle, heard)
    }

    /// Polls until the session heard something, sleeping in between: a lost wake-up is a deadlock, which loom reports.
    #[test]
    fn attaching_never_goes_unnoticed_by_a_tunnel_that_falls_asleep() {
        loom::model(|| {
            let (mut link, handle, heard) = quiet();
            let attacher = loom::thread::spawn(move || {
                let shared = upgrade(&handle.shared).expect("the link lives");
                let done = shared.with_bulk(|bulk, _| bulk.mux.attach_download(StreamIndex(4)));
                assert!(matches!(done, Some(Ok(_))));
            });
            loom::future::block_on(std::future::poll_fn(|cx| {
                let polled = link.source.poll_next_unpin(cx);
                if heard.load(Ordering::SeqCst) > 0 { Poll::Ready(()) } else { polled.map(|_| ()) }
            }));
            attacher.join().expect("no panic");
            assert_eq!(heard.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn an_interception_always_learns_that_the_tunnel_is_over() {
        loom::model(|| {
            let (link, handle, _) = quiet();
            let closer = loom::thread::spawn(move || drop(link));
            if let Some(shared) = upgrade(&handle.shared)
                && let Some(Ok(id)) = shared.with_bulk(|bulk, _| bulk.mux.attach_download(StreamIndex(4)))
            {
                let told = loom::future::block_on(std::future::poll_fn(|cx| {
                    let looked = shared.with_bulk(|bulk, _| {
                        bulk.register(id, cx.waker());
                        bulk.mux.take_download(id)
                    });
                    looked.unwrap_or(Poll::Ready(None))
                }));
                assert!(matches!(told, None | Some(Err(_))));
            }
            closer.join().expect("no panic");
        });
    }
}
