//! Sends whole replies to a client: that of a call, and a recorded one.

use std::ffi::{c_int, c_long, CString};

use durable_core::once::reply::{Piece, Reply};

use super::{CallReply, Ctx};

impl Ctx {
    /// Replies with the reply of a call, byte for byte.
    pub fn reply_with(&self, reply: &CallReply<'_>) {
        // SAFETY: context and reply are valid.
        unsafe { api!(RedisModule_ReplyWithCallReply)(self.raw(), reply.as_ptr()) };
    }

    /// Replies with a recorded reply. The server writes each value in the client's protocol
    /// version.
    pub fn reply_recorded(&self, reply: Reply<'_>) {
        reply.pieces().for_each(|piece| self.reply_piece(piece));
    }

    fn reply_piece(&self, piece: Piece<'_>) {
        let ctx = self.raw();
        // The core gives no text with a null byte.
        let text = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
        let len = |len: usize| c_long::try_from(len).unwrap_or(0);
        match piece {
            Piece::Simple(bytes) => self.reply_simple(&text(bytes)),
            Piece::Error(bytes) => self.reply_error(&text(bytes)),
            Piece::Integer(value) => self.reply_integer(value),
            Piece::Bulk(bytes) => self.reply_bytes(bytes),
            Piece::Null => self.reply_null(),
            Piece::Array(elements) => self.reply_array(elements),
            Piece::Map(pairs) => self.reply_map(pairs),
            // SAFETY: the context is valid. The server copies the bytes before it returns. A wrong
            // number of elements would break the protocol, not the memory.
            Piece::Set(elements) => unsafe {
                api!(RedisModule_ReplyWithSet)(ctx, len(elements));
            },
            // SAFETY: as above.
            Piece::NullArray => unsafe {
                api!(RedisModule_ReplyWithNullArray)(ctx);
            },
            // SAFETY: as above.
            Piece::Double(value) => unsafe {
                api!(RedisModule_ReplyWithDouble)(ctx, value);
            },
            // SAFETY: as above.
            Piece::Bool(value) => unsafe {
                api!(RedisModule_ReplyWithBool)(ctx, c_int::from(value));
            },
            // SAFETY: as above.
            Piece::BigNumber(digits) => unsafe {
                api!(RedisModule_ReplyWithBigNumber)(ctx, digits.as_ptr().cast(), digits.len());
            },
            // SAFETY: as above; the format is a string of three bytes that ends in a null byte.
            Piece::Verbatim(format, bytes) => unsafe {
                api!(RedisModule_ReplyWithVerbatimStringType)(
                    ctx,
                    bytes.as_ptr().cast(),
                    bytes.len(),
                    text(format).as_ptr(),
                );
            },
        }
    }
}
