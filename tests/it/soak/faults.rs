//! The kinds of faults, and one of a kind chosen at random: for which requests, where in them, and how often.

use super::dice::Dice;
use crate::servers::fault::Operation::{
    self, CompleteUpload, CreateUpload, Get, Head, List, Put, UploadPart,
};
use crate::servers::fault::{Fault, Rule};
use std::time::Duration;

/// The direction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Backup,
    Restore,
}

/// What a fault does.
pub enum Act {
    /// In the proxy.
    Strike(Rule),
    /// After this time the network is gone for that time.
    Outage(Duration, Duration),
    /// To Google's gRPC: the method, the failure (none: no answer), and how often.
    Grpc(&'static str, Option<u32>, usize),
    /// The store is behind a certificate that nobody trusts.
    Untrusted,
}

/// A kind of faults.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    make: fn(&mut Dice, Way) -> Act,
}

/// Kinds for every server.
pub const COMMON: [Kind; 17] = [
    kind("500", |dice, way| any(dice, way, Fault::Answer(500, "InternalError"))),
    kind("503 SlowDown", |dice, way| any(dice, way, Fault::Answer(503, "SlowDown"))),
    kind("429", |dice, way| any(dice, way, Fault::Answer(429, "TooManyRequests"))),
    kind("200 with an error inside", |dice, way| {
        chosen(dice, way, &[CompleteUpload], &[Get], Fault::Answer(200, "InternalError"))
    }),
    kind("answer lost", |dice, way| any(dice, way, Fault::LoseAnswer)),
    kind("done, and 500 answered", |dice, way| any(dice, way, Fault::DoneButAnswer(500, "InternalError"))),
    kind("stall before the body", |dice, way| stall(dice, way, Fault::Deaf(0), Fault::Stall(0))),
    kind("stall inside the body", |dice, way| {
        let (there, back) = (dice.below(300_000), dice.below(900_000));
        stall(dice, way, Fault::Deaf(there), Fault::Stall(back))
    }),
    kind("stall after the body", |dice, way| stall(dice, way, Fault::Swallow, Fault::Swallow)),
    kind("slow drip", |dice, way| {
        let (fault, get) = (Fault::Drip(dice.below(200)), Fault::Drip(dice.below(900_000)));
        of_answers(dice, way, fault, get)
    }),
    kind("reset", |dice, way| {
        let at = dice.below(900_000);
        chosen(dice, way, &[UploadPart, UploadPart, Put], &[Get, List], Fault::Reset(at))
    }),
    kind("wrong bytes", |dice, way| {
        let at = dice.below(1_000_000);
        match way {
            Way::Backup => chosen(dice, way, &[UploadPart, Put], &[], Fault::FlipRequest(at)),
            Way::Restore => chosen(dice, way, &[], &[Get], Fault::Flip(at)),
        }
    }),
    kind("wrong checksum", |dice, way| {
        chosen(dice, way, &[UploadPart, CompleteUpload, Put, Head], &[Get, Head], Fault::WrongSum)
    }),
    kind("truncated body", |dice, way| {
        let (fault, get) = (Fault::Cut(dice.below(200)), Fault::Cut(dice.below(900_000)));
        of_answers(dice, way, fault, get)
    }),
    kind("truncated body that looks whole", |dice, way| {
        let (fault, get) = (Fault::Short(dice.below(200)), Fault::Short(dice.below(900_000)));
        of_answers(dice, way, fault, get)
    }),
    kind("outage", |dice, _| {
        let millis = |number: usize| Duration::from_millis(number as u64);
        Act::Outage(millis(dice.below(1500)), millis(500 + dice.below(4000)))
    }),
    kind("unknown CA", |_, _| Act::Untrusted),
];

/// Kinds for servers that speak S3.
pub const OF_S3: [Kind; 2] = [
    kind("credentials expire", |dice, way| any(dice, way, Fault::Answer(400, "ExpiredToken"))),
    kind("clock skew", |dice, way| any(dice, way, Fault::Answer(403, "RequestTimeTooSkewed"))),
];

/// Kinds for Google Cloud Storage.
pub const OF_GOOGLE: [Kind; 3] = [
    kind("credentials expire", |dice, way| any(dice, way, Fault::Answer(401, "AuthenticationRequired"))),
    kind("gRPC unavailable", |dice, _| Act::Grpc(method(dice), Some(14), 1 + dice.below(3))),
    kind("gRPC without an answer", |dice, _| Act::Grpc(method(dice), None, 1)),
];

const fn kind(name: &'static str, make: fn(&mut Dice, Way) -> Act) -> Kind {
    Kind { name, make }
}

impl Kind {
    /// One of this kind.
    pub fn make(&self, dice: &mut Dice, way: Way) -> Act {
        match (self.make)(dice, way) {
            Act::Strike(rule) => Act::Strike(rule.named(self.name)),
            act => act,
        }
    }
}

fn method(dice: &mut Dice) -> &'static str {
    dice.of(&["GetObject", "ListObjects", "DeleteObject"])
}

/// This fault for some request.
fn any(dice: &mut Dice, way: Way, fault: Fault) -> Act {
    let there = [CreateUpload, UploadPart, UploadPart, CompleteUpload, Put, Put, Head, List];
    chosen(dice, way, &there, &[List, Get, Get, Get, Head], fault)
}

/// This fault for one of these operations: seldom for good, else a few times; not always from the first one on.
fn chosen(dice: &mut Dice, way: Way, there: &[Operation], back: &[Operation], fault: Fault) -> Act {
    let operation = dice.of(if way == Way::Backup { there } else { back });
    let (after, is_for_good) = (dice.below(3), dice.hits(6));
    if is_for_good {
        let fault = if operation == Get { hopeless_or_soon_over(fault) } else { fault };
        return Act::Strike(Rule::new(operation, fault).after(after));
    }
    Act::Strike(Rule::new(operation, fault).after(after).times(1 + dice.below(3)))
}

/// Lets next to nothing of an answer through, or much of it: with a little each time a restore gets further and further,
/// for hours.
fn hopeless_or_soon_over(fault: Fault) -> Fault {
    let clear = |at| if at < 300_000 { at % 100 } else { at };
    match fault {
        Fault::Cut(at) => Fault::Cut(clear(at)),
        Fault::Stall(at) => Fault::Stall(clear(at)),
        Fault::Drip(at) => Fault::Drip(clear(at)),
        Fault::Short(at) => Fault::Short(clear(at)),
        fault => fault,
    }
}

/// A stall, of small requests: the deadline of large ones is long.
fn stall(dice: &mut Dice, way: Way, there: Fault, back: Fault) -> Act {
    let act = match way {
        Way::Backup => chosen(dice, way, &[UploadPart, CreateUpload, CompleteUpload, Put], &[], there),
        Way::Restore => chosen(dice, way, &[], &[Get, Get, List], back),
    };
    let Act::Strike(rule) = act else { return act };
    let length = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    Act::Strike(rule.when(move |request| length(request.header("content-length")) < 2_000_000))
}

/// A fault of answers, which are short but for those with an object.
fn of_answers(dice: &mut Dice, way: Way, fault: Fault, get: Fault) -> Act {
    match way {
        Way::Backup => chosen(dice, way, &[CreateUpload, CompleteUpload, List], &[], fault),
        Way::Restore if dice.hits(4) => chosen(dice, way, &[], &[List], fault),
        Way::Restore => chosen(dice, way, &[], &[Get], get),
    }
}
