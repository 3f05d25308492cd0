//! HOT PATH: WebSocket frames, both ways (RFC 6455, section 5).
//!
//! Owns where a connection stands within its frame and message: 40 bytes. Pure.
//! Payload passes through as it comes, unmasked in place; nothing but a control
//! frame's 125 bytes is ever held, so a frame's size costs no memory. It never
//! answers: what a ping or a close frame calls for is `websocket/mod.rs`'s.

use super::mask;
use crate::transport::close::CloseReason;

/// Payload bytes of a control frame at most (section 5.5).
pub const MAX_CONTROL: usize = 125;
/// Two bytes, eight of length, four of mask.
const MAX_HEAD: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Which end of the connection reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Frames come masked and leave unmasked.
    Server,
    /// Frames come unmasked and leave masked.
    Client,
}

/// How a peer breaks the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set though no extension was agreed upon.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode")]
    Opcode,
    /// A client's frame without mask, or a server's with one.
    #[error("wrong masking")]
    Masking,
    /// A length in more bytes than it needs, or beyond 2^63.
    #[error("overlong or impossible length")]
    Length,
    /// A control frame that is fragmented or longer than 125 bytes.
    #[error("malformed control frame")]
    Control,
    /// A continuation of nothing, or a new message inside another one.
    #[error("fragments out of order")]
    Fragments,
    /// A close frame with an impossible code.
    #[error("malformed close frame")]
    Close,
    /// The reason in a close frame is no UTF-8.
    #[error("ill-formed UTF-8 in a close frame")]
    Utf8,
    /// MQTT travels in binary frames only [MQTT-6.0.0-1].
    #[error("a text frame")]
    Text,
    /// A frame exceeds the listener's limit.
    #[error("a frame above the limit")]
    TooLarge,
}

impl Violation {
    /// What the close frame that answers it says (section 7.4.1).
    #[must_use]
    pub const fn reason(self) -> CloseReason {
        match self {
            Self::Text => CloseReason::Unsupported,
            Self::TooLarge => CloseReason::TooLarge,
            Self::Utf8 => CloseReason::InvalidPayload,
            Self::ReservedBit
            | Self::Opcode
            | Self::Masking
            | Self::Length
            | Self::Control
            | Self::Fragments
            | Self::Close => CloseReason::Protocol,
        }
    }
}

/// What a frame brings.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Bytes of binary messages, never empty; where frames and messages begin and
    /// end means nothing to MQTT [MQTT-6.0.0-2].
    Data(&'a mut [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// The last frame: the code that it holds, if any. Nothing after it counts.
    Close(Option<u16>),
}

/// A control frame's payload that arrives in pieces.
#[derive(Debug)]
struct Gathered {
    bytes: [u8; MAX_CONTROL],
    len: u8,
}

/// Reads the frames of one direction.
#[derive(Debug)]
pub struct Decoder {
    /// A control frame's payload so far; only while one is cut.
    gathered: Option<Box<Gathered>>,
    /// Payload bytes of the current frame that are still to come.
    remaining: u32,
    /// Payload bytes of a data frame at most.
    max_frame: u32,
    mask: [u8; 4],
    /// Invariant: `head_len < MAX_HEAD`; 0 while payload is read.
    head: [u8; MAX_HEAD],
    head_len: u8,
    /// Of the current frame.
    opcode: u8,
    role: Role,
    /// A message was begun and not finished.
    fragmented: bool,
    closed: bool,
}

impl Decoder {
    /// At the start of a connection's frames. `max_frame` is in bytes of payload.
    #[must_use]
    pub const fn new(role: Role, max_frame: u32) -> Self {
        Self {
            gathered: None,
            remaining: 0,
            max_frame,
            mask: [0; 4],
            head: [0; MAX_HEAD],
            head_len: 0,
            opcode: 0,
            role,
            fragmented: false,
            closed: false,
        }
    }

    /// Takes bytes of the connection, unmasks them in place and hands over what
    /// they bring, in order. After a close frame everything is ignored.
    ///
    /// # Errors
    /// The first breach of the protocol, or the first error of `take`.
    pub fn receive<E: From<Violation>>(
        &mut self,
        mut input: &mut [u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !input.is_empty() && !self.closed {
            if self.remaining == 0 {
                let (used, whole) = self.read_head(input)?;
                input = &mut input[used..];
                if !whole {
                    return Ok(());
                }
                if self.remaining == 0 && self.opcode >= CLOSE {
                    self.control(&[], take)?;
                }
                continue;
            }
            let len = input.len().min(self.remaining as usize);
            let (payload, rest) = input.split_at_mut(len);
            input = rest;
            self.mask = match self.role {
                Role::Server => mask::apply(payload, self.mask),
                Role::Client => self.mask,
            };
            #[expect(clippy::cast_possible_truncation, reason = "at most `remaining`")]
            let len = len as u32;
            self.remaining -= len;
            if self.opcode < CLOSE {
                take(Piece::Data(payload))?;
            } else {
                self.gather(payload, take)?;
            }
        }
        Ok(())
    }

    /// Whether a close frame came.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes bytes of a frame's head: how many, and whether it is whole now.
    fn read_head(&mut self, input: &[u8]) -> Result<(usize, bool), Violation> {
        let mut used = 0;
        loop {
            let have = usize::from(self.head_len);
            let need = match have {
                0 | 1 => 2,
                _ => self.head_size(),
            };
            if have == need {
                self.begin()?;
                self.head_len = 0;
                return Ok((used, true));
            }
            let Some(byte) = input.get(used) else {
                return Ok((used, false));
            };
            self.head[have] = *byte;
            self.head_len += 1;
            used += 1;
            if have + 1 == 2 {
                self.judge()?;
            }
        }
    }

    /// Bytes of the head, as its second one says.
    const fn head_size(&self) -> usize {
        let length = match self.head[1] & LENGTH {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let mask = if self.head[1] & MASKED != 0 { 4 } else { 0 };
        2 + length + mask
    }

    /// Everything that the first two bytes can be wrong in.
    fn judge(&self) -> Result<(), Violation> {
        let [first, second, ..] = self.head;
        let opcode = first & OPCODE;
        let fin = first & FIN != 0;
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBit);
        }
        if (second & MASKED != 0) != (self.role == Role::Server) {
            return Err(Violation::Masking);
        }
        match opcode {
            CONTINUATION if self.fragmented => Ok(()),
            BINARY if !self.fragmented => Ok(()),
            CONTINUATION | BINARY => Err(Violation::Fragments),
            TEXT if self.fragmented => Err(Violation::Fragments),
            TEXT => Err(Violation::Text),
            CLOSE | PING | PONG if !fin || usize::from(second & LENGTH) > MAX_CONTROL => {
                Err(Violation::Control)
            }
            CLOSE if second & LENGTH == 1 => Err(Violation::Close),
            CLOSE | PING | PONG => Ok(()),
            _ => Err(Violation::Opcode),
        }
    }

    /// Begins the payload of the frame whose head is whole.
    fn begin(&mut self) -> Result<(), Violation> {
        let [first, second, a, b, c, d, e, f, g, h, ..] = self.head;
        let (length, least, mask_at) = match second & LENGTH {
            127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 1 << 16, 10),
            126 => (u64::from(u16::from_be_bytes([a, b])), 126, 4),
            short => (u64::from(short), 0, 2),
        };
        if length < least || length >> 63 != 0 {
            return Err(Violation::Length);
        }
        self.opcode = first & OPCODE;
        self.remaining = u32::try_from(length)
            .ok()
            .filter(|length| *length <= self.max_frame || self.opcode >= CLOSE)
            .ok_or(Violation::TooLarge)?;
        if self.role == Role::Server {
            self.mask.copy_from_slice(&self.head[mask_at..mask_at + 4]);
        }
        if self.opcode < CLOSE {
            self.fragmented = first & FIN == 0;
        }
        Ok(())
    }

    /// Payload of a control frame: acted upon once it is whole.
    fn gather<E: From<Violation>>(
        &mut self,
        payload: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.remaining == 0 && self.gathered.is_none() {
            return self.control(payload, take);
        }
        let mut gathered = self.gathered.take().unwrap_or_else(|| {
            Box::new(Gathered {
                bytes: [0; MAX_CONTROL],
                len: 0,
            })
        });
        let start = usize::from(gathered.len);
        gathered.bytes[start..start + payload.len()].copy_from_slice(payload);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a control frame has 125 bytes at most"
        )]
        let len = payload.len() as u8;
        gathered.len += len;
        if self.remaining == 0 {
            return self.control(&gathered.bytes[..usize::from(gathered.len)], take);
        }
        self.gathered = Some(gathered);
        Ok(())
    }

    fn control<E: From<Violation>>(
        &mut self,
        payload: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.opcode {
            PING => take(Piece::Ping(payload)),
            CLOSE => {
                self.closed = true;
                take(Piece::Close(close_code(payload)?))
            }
            // An unasked pong is allowed and means nothing (section 5.5.3).
            _ => Ok(()),
        }
    }
}

/// The code of a close frame (sections 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let [high, low, reason @ ..] = payload else {
        return Ok(None);
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Close);
    }
    match core::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Violation::Utf8),
    }
}

/// Appends the head of an unfragmented frame.
fn push_head(opcode: u8, len: usize, mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    let masked = if mask.is_some() { MASKED } else { 0 };
    wire.push(FIN | opcode);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => wire.push(masked | len),
        (_, Ok(len)) => {
            wire.push(masked | 126);
            wire.extend_from_slice(&len.to_be_bytes());
        }
        (_, Err(_)) => {
            wire.push(masked | 127);
            wire.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        wire.extend_from_slice(&mask);
    }
}

fn push(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    wire.reserve(MAX_HEAD + payload.len());
    push_head(opcode, payload.len(), mask, wire);
    let start = wire.len();
    wire.extend_from_slice(payload);
    if let Some(mask) = mask {
        let _ = mask::apply(&mut wire[start..], mask);
    }
}

/// Appends a binary message in one frame; `mask` on a client's side.
pub fn push_data(payload: &[u8], mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    push(BINARY, payload, mask, wire);
}

/// Appends the answer to a ping; its payload fits by its own frame's limit.
pub fn push_pong(payload: &[u8], mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    debug_assert!(payload.len() <= MAX_CONTROL);
    push(PONG, payload, mask, wire);
}

/// Appends a close frame; without a code it is empty.
pub fn push_close(code: Option<u16>, mask: Option<[u8; 4]>, wire: &mut Vec<u8>) {
    let bytes = code.map(u16::to_be_bytes);
    push(
        CLOSE,
        bytes.as_ref().map_or(&[], |code| &code[..]),
        mask,
        wire,
    );
}
