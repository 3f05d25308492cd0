//! WebSocket frames mean what RFC 6455 says, wherever the stream is cut.
//!
//! Owns a second reading of the RFC, as slow and as plain as it gets, for both ends
//! of a connection. Pure.

use ringmq::transport::CloseReason;
use ringmq::transport::websocket::{Decoder, Piece, Role, Violation};

use super::cuts::feed;
use super::input::Input;

/// Payload bytes of a frame at most.
const LIMIT: u32 = 300;

/// What a stream of frames brought.
#[derive(PartialEq, Eq, Debug, Default)]
struct Story {
    data: Vec<u8>,
    /// Pings and the close frame, with how many bytes of data came before.
    control: Vec<(usize, Control)>,
    violation: Option<Violation>,
}

#[derive(PartialEq, Eq, Debug)]
enum Control {
    Ping(Vec<u8>),
    Close(Option<u16>),
}

/// The first byte chooses the end and the cuts, the others are the stream.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (Some(choice), Some(pattern)) = (input.byte(), input.byte()) else {
        return;
    };
    let role = if choice & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let wire = input.rest();
    let story = decoded(role, 0, wire);
    assert_eq!(story, read(role, wire));
    assert_eq!(story, decoded(role, pattern, wire), "cut by {pattern}");
    assert_eq!(story, decoded(role, 1, wire), "cut everywhere");
    if let Some(violation) = story.violation {
        let reason = violation.reason();
        assert!((1002..=1009).contains(&reason.code()) && reason != CloseReason::Normal);
    }
}

fn decoded(role: Role, pattern: u8, wire: &[u8]) -> Story {
    let mut decoder = Decoder::new(role, LIMIT);
    let mut story = Story::default();
    let outcome = feed(pattern, wire, |piece| {
        decoder.receive(piece, &mut |piece| {
            let before = story.data.len();
            match piece {
                Piece::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    story.data.extend_from_slice(bytes);
                }
                Piece::Ping(payload) => {
                    assert!(payload.len() <= 125);
                    story
                        .control
                        .push((before, Control::Ping(payload.to_vec())));
                }
                Piece::Close(code) => story.control.push((before, Control::Close(code))),
            }
            Ok::<(), Violation>(())
        })
    });
    story.violation = outcome.err();
    story
}

/// The stream as the RFC has it, frame by frame.
fn read(role: Role, wire: &[u8]) -> Story {
    let mut story = Story::default();
    if let Err(violation) = read_frames(role, wire, &mut story) {
        story.violation = violation;
    }
    story
}

/// The end of the stream is an error without violation.
fn read_frames(role: Role, wire: &[u8], story: &mut Story) -> Result<(), Option<Violation>> {
    let mut bytes = wire.iter().copied();
    let mut open = false;
    loop {
        let mut next = || bytes.next().ok_or(None);
        let (first, second) = (next()?, next()?);
        let (fin, opcode) = (first >> 7 == 1, first & 15);
        let (masked, short) = (second >> 7 == 1, u64::from(second & 127));
        if first >> 4 & 7 != 0 {
            return Err(Some(Violation::ReservedBit));
        }
        if masked != (role == Role::Server) {
            return Err(Some(Violation::Masking));
        }
        match opcode {
            0 if !open => return Err(Some(Violation::Fragments)),
            1 | 2 if open => return Err(Some(Violation::Fragments)),
            1 => return Err(Some(Violation::Text)),
            0 | 2 => open = !fin,
            8..=10 if !fin || short > 125 => return Err(Some(Violation::Control)),
            8 if short == 1 => return Err(Some(Violation::Close)),
            8..=10 => {}
            _ => return Err(Some(Violation::Opcode)),
        }
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = if wide == 0 { short } else { 0 };
        for _ in 0..wide {
            length = length << 8 | u64::from(next()?);
        }
        let mut mask = [0; 4];
        if masked {
            for byte in &mut mask {
                *byte = next()?;
            }
        }
        let minimal = match wide {
            2 => length > 125,
            8 => length > 65_535 && length < 1 << 63,
            _ => true,
        };
        if !minimal {
            return Err(Some(Violation::Length));
        }
        if opcode < 8 && length > u64::from(LIMIT) {
            return Err(Some(Violation::TooLarge));
        }
        let before = story.data.len();
        let mut control = Vec::new();
        for place in 0..length {
            let byte = next()? ^ mask[(place % 4) as usize];
            let place = if opcode < 8 {
                &mut story.data
            } else {
                &mut control
            };
            place.push(byte);
        }
        match opcode {
            9 => story.control.push((before, Control::Ping(control))),
            8 => {
                let code = match control[..] {
                    [] => None,
                    [high, low, ref reason @ ..] => {
                        let code = u16::from(high) << 8 | u16::from(low);
                        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                            return Err(Some(Violation::Close));
                        }
                        if std::str::from_utf8(reason).is_err() {
                            return Err(Some(Violation::Utf8));
                        }
                        Some(code)
                    }
                    [_] => unreachable!("refused by its length"),
                };
                story.control.push((before, Control::Close(code)));
                return Ok(());
            }
            _ => {}
        }
    }
}
