//! A stream of bytes of a known length, from whoever downloads to whoever uploads.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// How many pieces may wait between the two: each may be some hundred KiB, and memory must stay flat.
const PIECES: usize = 2;

/// The receiving end: an HTTP body with a content length.
#[derive(Debug)]
pub struct Body {
    receiver: mpsc::Receiver<Bytes>,
    left: u64,
}

/// The stream has ended before its length was reached: whoever downloads has given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source broke off with {left} bytes left")]
pub struct BrokenOff {
    /// How many bytes are missing.
    pub left: u64,
}

/// The sending end. Dropping it before `length` bytes were sent breaks the body off.
#[derive(Debug)]
pub struct BodySender {
    sender: mpsc::Sender<Bytes>,
}

impl BodySender {
    /// Sends a piece, waiting until there is room; `false` when nobody wants it any more.
    pub async fn send(&self, piece: Bytes) -> bool {
        self.sender.send(piece).await.is_ok()
    }

    /// Returns when nobody wants pieces any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl Body {
    /// A body of `length` bytes and the end that fills it.
    pub fn channel(length: u64) -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(PIECES);
        (
            BodySender { sender },
            Self {
                receiver,
                left: length,
            },
        )
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` after the last one.
    ///
    /// # Errors
    /// When it was broken off.
    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|piece| match piece {
            Some(piece) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Some(Ok(piece))
            }
            None => Some(Err(BrokenOff { left: self.left })),
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.poll_piece(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
