//! The lock and the signal of the broadcast ring, so that a model checker can go through their interleavings
//! (feature `_loom`, in tests); the standard ones otherwise.

#[cfg(not(all(test, feature = "_loom")))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, feature = "_loom")))]
pub(crate) use tokio::sync::{Notify, futures::Notified};

#[cfg(all(test, feature = "_loom"))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(all(test, feature = "_loom"))]
pub(crate) use model::{Notified, Notify};

/// What `tokio::sync::Notify` promises of `notify_waiters`, on the model's lock: a `Notified` that was created before
/// the call resolves.
#[cfg(all(test, feature = "_loom"))]
mod model {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::PoisonError;
    use std::task::{Context, Poll, Waker};

    use super::{Mutex, MutexGuard};

    #[derive(Debug, Default)]
    struct State {
        calls: u64,
        waiting: Vec<Waker>,
    }

    #[derive(Debug, Default)]
    pub(crate) struct Notify(Mutex<State>);

    #[derive(Debug)]
    pub(crate) struct Notified<'a> {
        notify: &'a Notify,
        calls: u64,
    }

    impl Notify {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn notified(&self) -> Notified<'_> {
            Notified { notify: self, calls: self.state().calls }
        }

        pub(crate) fn notify_waiters(&self) {
            let mut state = self.state();
            state.calls += 1;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    impl Notified<'_> {
        /// Creation counts already; only the real one needs this step.
        pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
            self.notify.state().calls != self.calls
        }
    }

    impl Future for Notified<'_> {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let mut state = self.notify.state();
            if state.calls != self.calls {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        }
    }
}
