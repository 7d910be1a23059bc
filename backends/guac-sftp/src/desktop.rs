//! Files beside a desktop: SFTP on a connection of its own, which opens before the desktop does.

use std::sync::Arc;
use std::time::Duration;

use guac_display::Picture;
use guac_session::{Event, Stage};

use crate::auth::Nobody;
use crate::connect::Connection;
use crate::error::{SftpError, SshError};
use crate::files::{Files, Sftp};
use crate::hostkey::HostKeyStore;
use crate::params::{FileRules, SftpParams};

/// How long closing the connection in an orderly way may take.
const CLOSING: Duration = Duration::from_secs(2);

/// What there is of the machine's files.
#[derive(Debug, Default)]
enum Offer {
    /// Opened, and not shown yet.
    Waiting(Sftp, FileRules),
    Shown(Files),
    /// None, or none any more: the machine has ended file transfer, or the owner has left before he saw it.
    #[default]
    Nothing,
}

/// Files of a machine beside a desktop (CM-001), or none: that is the default. The desktop goes on when the machine
/// ends file transfer.
#[derive(Debug, Default)]
pub struct DesktopFiles {
    connection: Option<Connection>,
    offer: Offer,
}

impl DesktopFiles {
    /// Connects and logs in with what is stored: nobody is asked.
    ///
    /// # Errors
    /// [`SftpError`], which ends the session, as in guacd.
    ///
    /// # Cancel safety
    /// If the future is dropped the connection is cut.
    pub async fn open(params: SftpParams, host_keys: Arc<dyn HostKeyStore>) -> Result<Self, SftpError> {
        // Large while it goes on, and nothing afterwards.
        Box::pin(Self::connect(params, host_keys)).await
    }

    async fn connect(params: SftpParams, host_keys: Arc<dyn HostKeyStore>) -> Result<Self, SftpError> {
        let opened = Connection::open(&params.target, host_keys).await;
        let mut connection = opened.map_err(|source| SftpError::Connect { source })?;
        match enter(&mut connection, &params).await {
            Ok(sftp) => Ok(Self { connection: Some(connection), offer: Offer::Waiting(sftp, params.rules) }),
            Err(error) => {
                let ended = tokio::time::timeout(CLOSING, connection.close()).await;
                Err(match (error, ended) {
                    // Why it was lost comes to light when it is closed.
                    (SftpError::Login { source: SshError::Lost }, Ok(Err(source))) => SftpError::Login { source },
                    (error, _) => error,
                })
            }
        }
    }

    /// Shows the owner the file system, if he does not see it yet. To be called when there is a desktop: before,
    /// nobody serves his requests.
    pub fn show<P: Picture>(&mut self, stage: &mut Stage<P>) {
        match std::mem::replace(&mut self.offer, Offer::Nothing) {
            Offer::Waiting(sftp, rules) => {
                if let Some(files) = Files::show(sftp, rules, stage) {
                    self.offer = Offer::Shown(files);
                }
            }
            offer => self.offer = offer,
        }
    }

    /// Serves the owner. What is not for these files comes back.
    #[must_use]
    pub fn handle(&mut self, event: Event) -> Option<Event> {
        match &mut self.offer {
            Offer::Shown(files) => files.handle(event),
            Offer::Waiting(..) | Offer::Nothing => Some(event),
        }
    }

    /// Done when the machine has ended file transfer, and [`withdraw`](Self::withdraw) is due; once.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn ended(&mut self) {
        match &mut self.offer {
            // Nobody pushes files here.
            Offer::Shown(files) => while files.next_push().await.is_some() {},
            Offer::Waiting(..) | Offer::Nothing => std::future::pending().await,
        }
    }

    /// Takes the file system away: there is none any more.
    pub fn withdraw<P: Picture>(&mut self, stage: &mut Stage<P>) {
        if let Offer::Shown(files) = std::mem::replace(&mut self.offer, Offer::Nothing) {
            tracing::info!("No file transfer any more: the machine ended SFTP");
            // Dropping the transfers ends them; nothing of the library's is left to wait for.
            files.withdraw(stage);
        }
    }

    /// Ends all transfers and the connection, and waits until no task of either is left.
    ///
    /// # Cancel safety
    /// If the future is dropped both are cut.
    pub async fn close<P: Picture>(&mut self, stage: &mut Stage<P>) {
        let Self { connection, offer } = std::mem::take(self);
        let Some(connection) = connection else { return };
        let closing = Box::pin(async {
            let closed = match offer {
                Offer::Shown(files) => Some(files.close(stage).await),
                Offer::Waiting(sftp, _) => Some(sftp.close()),
                Offer::Nothing => None,
            };
            let ended = connection.close().await;
            if let Some(closed) = closed {
                closed.cancelled().await;
            }
            ended
        });
        let ended = tokio::time::timeout(CLOSING, closing).await;
        tracing::trace!(?ended, "Left the machine with the files");
    }
}

/// Logs in and asks for files.
async fn enter(connection: &mut Connection, params: &SftpParams) -> Result<Sftp, SftpError> {
    let login = connection.log_in(&params.credentials, &mut Nobody).await;
    login.map_err(|source| SftpError::Login { source })?;
    Sftp::open(connection).await.map_err(|source| SftpError::NoSftp { source })
}
