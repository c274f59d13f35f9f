//! A way to a server that listens on a socket of PostgreSQL's, which can be cut: what is under way in it then stays there, and arrives when the way is mended, as
//! packets do that are sent again.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a socket is called in its folder.
const SOCKET: &str = ".s.PGSQL.5432";
/// Bytes that are passed on at a time.
const PIECE: usize = 16 * 1024;

/// A folder with a socket that leads to that of another folder.
pub struct SocketWay {
    dir: tempfile::TempDir,
    is_cut: watch::Sender<bool>,
    listens: JoinHandle<()>,
}

impl SocketWay {
    /// A way to the server whose socket is in `server`, now or later.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn to(server: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("ioc-way-").tempdir_in("/tmp")?;
        let listener = UnixListener::bind(dir.path().join(SOCKET))?;
        let (is_cut, cut) = watch::channel(false);
        let listens = tokio::spawn(listen(listener, server.join(SOCKET), cut));
        Ok(Self { dir, is_cut, listens })
    }

    /// The folder of its socket.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Lets nothing through from now on, in neither direction, or everything again.
    pub fn set_cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

impl Drop for SocketWay {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

async fn listen(listener: UnixListener, server: PathBuf, cut: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        let (server, cut) = (server.clone(), cut.clone());
        tokio::spawn(async move {
            open(cut.clone()).await;
            // Nobody is there: it is closed, as a machine that is there says of a port on which nobody listens.
            let Ok(far) = UnixStream::connect(server).await else { return };
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            // The end of one direction is that of the other.
            tokio::select! {
                () = pass(near_read, far_write, cut.clone()) => {}
                () = pass(far_read, near_write, cut) => {}
            }
        });
    }
}

/// Waits until the way is open.
async fn open(mut cut: watch::Receiver<bool>) {
    let _ = cut.wait_for(|is_cut| !is_cut).await;
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cut: watch::Receiver<bool>) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        open(cut.clone()).await;
        if read == 0 || to.write_all(piece.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
