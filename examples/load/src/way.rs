//! The ways to ask, and how questions are spread over them.

use serde::Serialize;
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

/// How a question travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// HTTP/1.1, over connections that stay open.
    KeepAlive,
    /// HTTP/1.1, over a new connection each time.
    Fresh,
    /// HTTP/2 without TLS, by prior knowledge, over one connection.
    Http2,
    /// gRPC, over one connection of its own.
    Grpc,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::KeepAlive, Self::Fresh, Self::Http2, Self::Grpc];

    /// As the command line names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::Fresh => "fresh",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|way| way.as_str() == text);
        known.ok_or_else(|| {
            format!("{text} is no way to ask; there are {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// A way and its weight: `fresh`, which weighs 1, or `fresh=3`.
pub fn parse_way(text: &str) -> Result<(Way, u32), String> {
    let (way, weight) = text.split_once('=').unwrap_or((text, "1"));
    let weight = weight.parse().map_err(|_| format!("{text} has no weight; write it as {way}=3"))?;
    Ok((way.parse()?, weight))
}

/// The order in which ways take turns until each has had as many as it weighs: as evenly as can be, so that also a short
/// time sees all of them.
pub fn round(ways: &[(Way, u32)]) -> Vec<Way> {
    let total: i64 = ways.iter().map(|(_, weight)| i64::from(*weight)).sum();
    let mut due = vec![0_i64; ways.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (due, (_, weight)) in due.iter_mut().zip(ways) {
            *due += i64::from(*weight);
        }
        let most = due.iter_mut().zip(ways).enumerate().max_by_key(|(at, (due, _))| (**due, Reverse(*at)));
        if let Some((_, (due, (way, _)))) = most {
            *due -= total;
            turns.push(*way);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::Way::{Fresh, Grpc, Http2, KeepAlive};
    use super::*;

    #[test]
    fn each_way_has_as_many_turns_as_it_weighs_and_they_are_spread() {
        assert_eq!(round(&[(KeepAlive, 1)]), [KeepAlive]);
        assert_eq!(round(&[(Grpc, 1), (Http2, 1)]), [Grpc, Http2]);
        let turns = round(&[(KeepAlive, 5), (Fresh, 1), (Http2, 4)]);
        let count = |way| turns.iter().filter(|turn| **turn == way).count();
        assert_eq!([KeepAlive, Fresh, Http2, Grpc].map(count), [5, 1, 4, 0]);
        let longest = turns.chunk_by(|one, next| one == next).map(<[Way]>::len).max();
        assert_eq!(longest, Some(1), "{turns:?}");
    }

    #[test]
    fn ways_are_read_as_they_are_written() {
        for way in Way::ALL {
            assert_eq!(parse_way(&way.to_string()), Ok((way, 1)));
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
        }
        assert_eq!(parse_way("grpc=30"), Ok((Grpc, 30)));
        for bad in ["", "http3", "grpc=", "grpc=x", "grpc=-1"] {
            assert!(parse_way(bad).is_err(), "{bad}");
        }
    }
}
