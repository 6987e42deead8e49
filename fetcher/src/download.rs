//! One run: keep what is there, else download with a few tries, check, put in place.

use crate::digest::Digest;
use crate::location::Location;
use crate::outcome::{Failure, Fetched};
use crate::source::{Source, Trouble, causes};
use crate::store::{self, Part};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to fetch, and how long to try.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where it is.
    pub from: Location,
    /// Existing folder that the file goes to.
    pub folder: PathBuf,
    /// What its content must be, if that was said.
    pub digest: Option<Digest>,
    /// For all of it.
    pub deadline: Duration,
    /// Without a byte, until a try is given up.
    pub stall: Duration,
    /// Tries in all.
    pub tries: u32,
    /// Before the second try; doubled before each further one.
    pub pause: Duration,
}

/// Does it. Whatever goes wrong, no wrong or half file is ever at the file's place.
pub async fn run(job: &Job) -> Result<Fetched, Failure> {
    let target = job.folder.join(job.from.file_name());
    if let Some(kept) = keep(job, &target).await? {
        return Ok(kept);
    }
    match tokio::time::timeout(job.deadline, fetch(job, &target)).await {
        Ok(done) => done,
        Err(_elapsed) => Err(Failure::FetchTimeout(format!(
            "{} was not there within {} s; is the server fast enough, the file the right one?",
            job.from,
            job.deadline.as_secs()
        ))),
    }
}

/// A version never changes, so a file that is there whole is the right one, unless its digest says otherwise.
async fn keep(job: &Job, target: &Path) -> Result<Option<Fetched>, Failure> {
    let Some((digest, size)) = store::present(target).await? else { return Ok(None) };
    if job.digest.is_some_and(|wanted| wanted != digest) {
        return Ok(None);
    }
    let message = format!("{} was there already", target.display());
    Ok(Some(Fetched { digest, size, seconds: 0, kept: true, verified: job.digest.is_some(), message }))
}

async fn fetch(job: &Job, target: &Path) -> Result<Fetched, Failure> {
    let (source, began) = (Source::new()?, Instant::now());
    let mut pause = job.pause;
    let mut said = String::new();
    for attempt in 1..=job.tries {
        match attempt_once(job, &source, target).await {
            Ok((digest, size)) => {
                let seconds = began.elapsed().as_secs_f64().round();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "seconds since the start"
                )]
                let seconds = seconds as u64;
                let message = format!("{} is in {}", job.from, target.display());
                return Ok(Fetched {
                    digest,
                    size,
                    seconds,
                    kept: false,
                    verified: job.digest.is_some(),
                    message,
                });
            }
            Err(Trouble::Lasting(failure)) => return Err(failure),
            Err(Trouble::Passing(what)) => said = what,
        }
        if attempt < job.tries {
            eprintln!("{said}; trying again in {} ms", pause.as_millis());
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
    Err(Failure::FetchTimeout(format!("{said} ({} tries); is the server up, can pods reach it?", job.tries)))
}

async fn attempt_once(job: &Job, source: &Source, target: &Path) -> Result<(Digest, u64), Trouble> {
    let answer = source.open(&job.from, job.stall).await?;
    let mut part = Part::create(target).await.map_err(Trouble::Lasting)?;
    if let Err(trouble) = receive(job, answer.into_body(), &mut part).await {
        part.discard().await;
        return Err(trouble);
    }
    let (digest, size, complete) = part.finish().await.map_err(Trouble::Lasting)?;
    if let Some(wanted) = job.digest.filter(|wanted| *wanted != digest) {
        complete.discard().await;
        let from = job.from.to_string();
        return Err(Trouble::Lasting(Failure::DigestMismatch { from, wanted, found: digest, size }));
    }
    complete.place(target).await.map_err(Trouble::Lasting)?;
    Ok((digest, size))
}

async fn receive(job: &Job, mut body: Incoming, part: &mut Part) -> Result<(), Trouble> {
    let whole = body.size_hint().exact();
    loop {
        let frame = match tokio::time::timeout(job.stall, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => {
                let of = whole.map_or_else(String::new, |whole| format!(" of {whole}"));
                return Err(Trouble::Passing(format!(
                    "{} broke off after {}{of} bytes: {}",
                    job.from,
                    part.size(),
                    causes(&error)
                )));
            }
            Err(_elapsed) => {
                return Err(Trouble::Passing(format!(
                    "{} sent nothing for {} s after {} bytes",
                    job.from,
                    job.stall.as_secs(),
                    part.size()
                )));
            }
        };
        if let Some(piece) = frame.data_ref() {
            part.add(piece).await.map_err(Trouble::Lasting)?;
        }
    }
}
