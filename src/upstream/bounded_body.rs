//! A body that ends: by bytes, by silence, and by a trickle too thin to be honest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::client::count_spoiled;
use super::{Phase, UpstreamError};

/// A file's bytes on their way here.
pub type FileBody = BoundedBody<Incoming>;

/// Who waited for longer than this in all must have got something for it.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a second of waiting must bring, on average, after that.
const LEAST_BYTES_A_SECOND: u64 = 1024;

/// The data of a body as a stream that fails at the limit, after a silence, at a trickle, and where fewer bytes came than promised.
pub struct BoundedBody<B> {
    body: B,
    host: Box<str>,
    limit: u64,
    promised: Option<u64>,
    received: u64,
    idle_timeout: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
    ended: bool,
    counted: bool,
}

impl<B: Body<Data = Bytes> + Unpin> BoundedBody<B> {
    /// Bounds a body that promises its length, or not; a promise beyond the limit is refused before a byte is read.
    pub(super) fn new(body: B, host: &str, limit: u64, idle_timeout: Duration) -> Result<Self, UpstreamError> {
        let promised = body.size_hint().exact();
        if promised.is_some_and(|length| length > limit) {
            return Err(UpstreamError::TooLarge { host: host.into(), limit });
        }
        Ok(Self {
            body,
            host: host.into(),
            limit,
            promised,
            received: 0,
            idle_timeout,
            waiting: None,
            waited: Duration::ZERO,
            ended: false,
            counted: false,
        })
    }

    /// Its failure is counted for monitors when it happens: nobody else learns what becomes of a file's body.
    pub(super) fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// The length that its sender promised.
    pub fn promised(&self) -> Option<u64> {
        self.promised
    }

    fn take(&mut self, data: &Bytes) -> Result<(), UpstreamError> {
        self.received = self.received.saturating_add(data.len() as u64);
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        if self.received > self.limit {
            return Err(UpstreamError::TooLarge { host: self.host.clone(), limit: self.limit });
        }
        if self.waited > PATIENCE && self.received < self.waited.as_secs() * LEAST_BYTES_A_SECOND {
            return Err(self.too_slow());
        }
        Ok(())
    }

    fn finish(&self) -> Option<UpstreamError> {
        let short = self.promised.is_some_and(|length| length != self.received);
        short.then(|| UpstreamError::Truncated { host: self.host.clone(), source: None })
    }

    /// Waits no longer than the idle timeout for data; what is not data does not count.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<UpstreamError> {
        let idle_timeout = self.idle_timeout;
        let (_, timer) =
            self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(idle_timeout))));
        timer.as_mut().poll(context).map(|()| self.too_slow())
    }

    fn too_slow(&self) -> UpstreamError {
        UpstreamError::Timeout { host: self.host.clone(), phase: Phase::Body }
    }
}

impl<B> Stream for BoundedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Item = Result<Bytes, UpstreamError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let failure = loop {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Pending => match this.poll_silence(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(error) => break Some(error),
                },
                Poll::Ready(None) => break this.finish(),
                Poll::Ready(Some(Err(error))) => {
                    break Some(UpstreamError::Truncated { host: this.host.clone(), source: Some(Arc::new(error)) });
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    match this.take(&data) {
                        Ok(()) => return Poll::Ready(Some(Ok(data))),
                        Err(error) => break Some(error),
                    }
                }
            }
        };
        this.ended = true;
        if let Some(error) = failure.as_ref().filter(|_| this.counted) {
            count_spoiled(&this.host, error);
        }
        Poll::Ready(failure.map(Err))
    }
}

impl<B> fmt::Debug for BoundedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedBody")
            .field("host", &self.host)
            .field("promised", &self.promised)
            .field("received", &self.received)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, TryStreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const IDLE: Duration = Duration::from_secs(20);

    /// `pieces` of a size, each after a pause.
    fn drip(pieces: usize, size: usize, pause: Duration) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let piece = move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from(vec![0; size])))
        };
        StreamBody::new(Box::pin(stream::iter(0..pieces).then(piece)))
    }

    async fn length<B>(body: BoundedBody<B>) -> Result<usize, UpstreamError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        body.try_fold(0, |sum, data| async move { Ok(sum + data.len()) }).await
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_beyond_the_limit_are_refused_promised_or_not() {
        let promised = BoundedBody::new(Full::new(Bytes::from_static(b"12345")), "h", 4, IDLE);
        assert!(matches!(promised, Err(UpstreamError::TooLarge { limit: 4, .. })));
        let streamed = BoundedBody::new(drip(5, 10, Duration::ZERO), "h", 49, IDLE).unwrap();
        assert!(matches!(length(streamed).await, Err(UpstreamError::TooLarge { .. })));
        let fitting = BoundedBody::new(drip(5, 10, Duration::ZERO), "h", 50, IDLE).unwrap();
        assert_eq!(length(fitting).await.unwrap(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_frames_without_data_are_silence() {
        let slow = BoundedBody::new(drip(3, 5000, Duration::from_secs(19)), "h", 1 << 20, IDLE).unwrap();
        assert_eq!(length(slow).await.unwrap(), 15_000);
        let silent = BoundedBody::new(drip(3, 5000, Duration::from_secs(21)), "h", 1 << 20, IDLE).unwrap();
        assert!(matches!(length(silent).await, Err(UpstreamError::Timeout { phase: Phase::Body, .. })));
        let started = Instant::now();
        let empty = BoundedBody::new(drip(1000, 0, Duration::from_secs(1)), "h", 1 << 20, IDLE).unwrap();
        assert!(length(empty).await.is_err());
        assert!(started.elapsed() <= IDLE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_ends_it_too_but_not_a_slow_reader() {
        let started = Instant::now();
        let trickle = BoundedBody::new(drip(10_000, 1, Duration::from_secs(10)), "h", 1 << 20, IDLE).unwrap();
        assert!(matches!(length(trickle).await, Err(UpstreamError::Timeout { .. })));
        assert!(started.elapsed() < Duration::from_secs(90));

        let mut unread = BoundedBody::new(drip(3, 10, Duration::from_millis(1)), "h", 100, IDLE).unwrap();
        while let Some(data) = unread.next().await {
            data.unwrap();
            tokio::time::sleep(Duration::from_mins(5)).await;
        }
    }
}
