//! The calls of the server's API that this module requires.
//!
//! The header's initializer looks every call up by name when the module is loaded, and leaves null
//! for one that the server does not have. The required ones are checked once, before anything else;
//! the few optional ones are checked where they are used.

use durable_core::servers::Fact;
use redis_module::raw;

/// The function behind a required call. See [`missing`].
macro_rules! api {
    ($name:ident) => {{
        // SAFETY: the initializer writes the table of calls on the main thread, before any other
        // code of the module runs. A second load, which is refused, writes the same values once
        // more. Later code only reads the table, and the guard keeps nearly all of it on the main
        // thread.
        #[allow(unused_unsafe)]
        let function = unsafe { ::redis_module::raw::$name };
        match function {
            Some(function) => function,
            None => $crate::ffi::api::absent(stringify!($name)),
        }
    }};
}

macro_rules! required {
    ($($name:ident)*) => {
        /// The names of the required calls that this server does not have.
        pub fn missing() -> Vec<&'static str> {
            let mut missing = Vec::new();
            // SAFETY: as in `api!`.
            $(if unsafe { raw::$name }.is_none() { missing.push(stringify!($name)); })*
            missing
        }
    };
}

required! {
    RedisModule_ACLAddLogEntry
    RedisModule_ACLCheckCommandPermissions
    RedisModule_AvoidReplicaTraffic
    RedisModule_BlockClient
    RedisModule_Call
    RedisModule_CallReplyArrayElement
    RedisModule_CallReplyInteger
    RedisModule_CallReplyLength
    RedisModule_CallReplyProto
    RedisModule_CallReplyStringPtr
    RedisModule_CallReplyType
    RedisModule_CloseKey
    RedisModule_CommandFilterArgDelete
    RedisModule_CommandFilterArgGet
    RedisModule_CommandFilterArgInsert
    RedisModule_CommandFilterArgReplace
    RedisModule_CommandFilterArgsCount
    RedisModule_CreateCommand
    RedisModule_CreateString
    RedisModule_CreateSubcommand
    RedisModule_CreateTimer
    RedisModule_EventLoopAddOneShot
    RedisModule_Free
    RedisModule_FreeCallReply
    RedisModule_FreeClusterNodesList
    RedisModule_FreeModuleUser
    RedisModule_FreeServerInfo
    RedisModule_FreeString
    RedisModule_FreeThreadSafeContext
    RedisModule_GetBlockedClientHandle
    RedisModule_GetBlockedClientPrivateData
    RedisModule_GetClientId
    RedisModule_GetClientInfoById
    RedisModule_GetClientUserNameById
    RedisModule_GetClusterNodeInfo
    RedisModule_GetClusterNodesList
    RedisModule_GetCommand
    RedisModule_GetCommandKeysWithFlags
    RedisModule_GetContextFlags
    RedisModule_GetDetachedThreadSafeContext
    RedisModule_GetCurrentUserName
    RedisModule_GetModuleUserFromUserName
    RedisModule_GetMyClusterID
    RedisModule_GetRandomHexChars
    RedisModule_GetSelectedDb
    RedisModule_GetServerInfo
    RedisModule_GetServerVersion
    RedisModule_GetThreadSafeContext
    RedisModule_GetUsedMemoryRatio
    RedisModule_HoldString
    RedisModule_InfoAddFieldCString
    RedisModule_InfoAddFieldULongLong
    RedisModule_InfoAddSection
    RedisModule_IsKeysPositionRequest
    RedisModule_KeyAtPosWithFlags
    RedisModule_LatencyAddSample
    RedisModule_LoadConfigs
    RedisModule_Log
    RedisModule_OpenKey
    RedisModule_Milliseconds
    RedisModule_MonotonicMicroseconds
    RedisModule_RegisterClusterMessageReceiver
    RedisModule_RegisterCommandFilter
    RedisModule_RegisterInfoFunc
    RedisModule_RegisterNumericConfig
    RedisModule_RegisterStringConfig
    RedisModule_Replicate
    RedisModule_ReplyWithArray
    RedisModule_ReplyWithBigNumber
    RedisModule_ReplyWithBool
    RedisModule_ReplyWithCallReply
    RedisModule_ReplyWithDouble
    RedisModule_ReplyWithError
    RedisModule_ReplyWithLongLong
    RedisModule_ReplyWithMap
    RedisModule_ReplyWithNull
    RedisModule_ReplyWithNullArray
    RedisModule_ReplyWithSet
    RedisModule_ReplyWithSimpleString
    RedisModule_ReplyWithStringBuffer
    RedisModule_ReplyWithVerbatimStringType
    RedisModule_SelectDb
    RedisModule_SendClusterMessage
    RedisModule_ServerInfoGetFieldC
    RedisModule_SetAbsExpire
    RedisModule_SetCommandInfo
    RedisModule_SetContextUser
    RedisModule_SignalModifiedKey
    RedisModule_SetDisconnectCallback
    RedisModule_SetModuleOptions
    RedisModule_StopTimer
    RedisModule_StringDMA
    RedisModule_StringPtrLen
    RedisModule_StringSet
    RedisModule_SubscribeToServerEvent
    RedisModule_UnblockClient
    RedisModule_WrongArity
}

/// Never reached, because the module is not loaded if [`missing`] found any. The guard of each
/// callback would turn this panic into an error reply.
#[cold]
pub fn absent(name: &str) -> ! {
    panic!("the server lacks {name}")
}

/// The facts that stand for an optional call, and whether this server has that call.
pub fn optional() -> [(Fact, bool); 3] {
    // SAFETY: as in `api!`.
    let (client_id, categories, add_category) = unsafe {
        (
            raw::RedisModule_CommandFilterGetClientId,
            raw::RedisModule_SetCommandACLCategories,
            raw::RedisModule_AddACLCategory,
        )
    };
    [
        (Fact::TellsFsyncs, client_id.is_some()),
        (Fact::CategorizesModuleCommands, categories.is_some()),
        (Fact::AddsModuleCategories, add_category.is_some()),
    ]
}
