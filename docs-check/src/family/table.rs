//! What the pages of the family say that a server does not tell. One row for each command.

/// One command of the family.
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub takes_options: bool,
    /// Each is executed in RESP2 and RESP3. The first one also shows a wrong use.
    pub cases: &'static [Case],
    pub example: &'static [&'static str],
    /// What happens when it is sent twice.
    pub again: &'static str,
}

/// A command, and the data that it finds.
pub struct Case {
    pub command: &'static str,
    pub when: &'static str,
    /// Commands before it, separated by semicolons.
    pub before: &'static str,
}

const fn case(command: &'static str, when: &'static str, before: &'static str) -> Case {
    Case {
        command,
        when,
        before,
    }
}

const HARMLESS: &str = "Harmless, if no other client writes the same data in between.";

const HARMLESS_ZERO: &str =
    "Harmless, if no other client writes the same data in between. The second reply is 0.";

/// All but SET, whose page is written by hand.
pub const ROWS: [Row; 32] = [
    Row {
        name: "GET",
        what: "Reads a string.",
        takes_options: true,
        cases: &[
            case("DURABLE.GET order:1", "the key has a string", "SET order:1 paid"),
            case("DURABLE.GET order:1", "there is no such key", ""),
            case("DURABLE.GET order:1", "the key has another type", "LPUSH order:1 x"),
        ],
        example: &["DURABLE.SET order:1 paid", "DURABLE.GET order:1", "DURABLE.GET order:1 REPLICAS ALL TIMEOUT 5000"],
        again: "Harmless: it is a read.",
    },
    Row {
        name: "GETDEL",
        what: "Reads a string and deletes its key.",
        takes_options: true,
        cases: &[
            case("DURABLE.GETDEL ticket:1", "the key has a string", "SET ticket:1 seat-12"),
            case("DURABLE.GETDEL ticket:1", "there is no such key", ""),
        ],
        example: &["DURABLE.SET ticket:1 seat-12", "DURABLE.GETDEL ticket:1 REPLICAS 2", "DURABLE.GETDEL ticket:1"],
        again: "Not harmless: the second reply is nil, and the value of the first is lost.",
    },
    Row {
        name: "MSET",
        what: "Sets several strings at once.",
        takes_options: false,
        cases: &[
            case("DURABLE.MSET order:1 paid order:2 open", "always", ""),
        ],
        example: &["DURABLE.MSET order:1 paid order:2 open", "MGET order:1 order:2"],
        again: HARMLESS,
    },
    Row {
        name: "APPEND",
        what: "Appends to a string.",
        takes_options: true,
        cases: &[
            case("DURABLE.APPEND log:1 b", "the key has a string", "SET log:1 a"),
            case("DURABLE.APPEND log:1 b", "there is no such key", ""),
        ],
        example: &["DURABLE.APPEND log:1 start;", "DURABLE.APPEND log:1 stop; REPLICAS 2", "GET log:1"],
        again: "Not harmless: the text is appended twice.",
    },
    Row {
        name: "INCR",
        what: "Adds 1 to a number.",
        takes_options: true,
        cases: &[
            case("DURABLE.INCR visits", "the key has a number", "SET visits 41"),
            case("DURABLE.INCR visits", "there is no such key", ""),
            case("DURABLE.INCR visits", "the value is no number", "SET visits many"),
        ],
        example: &["DURABLE.SET visits 41", "DURABLE.INCR visits", "DURABLE.INCR visits REPLICAS 2 TIMEOUT 5000"],
        again: "Not harmless: it counts twice.",
    },
    Row {
        name: "DECR",
        what: "Subtracts 1 from a number.",
        takes_options: true,
        cases: &[
            case("DURABLE.DECR stock", "the key has a number", "SET stock 10"),
            case("DURABLE.DECR stock", "there is no such key", ""),
        ],
        example: &["DURABLE.SET stock 10", "DURABLE.DECR stock REPLICAS 2"],
        again: "Not harmless: it counts twice.",
    },
    Row {
        name: "INCRBY",
        what: "Adds to a number.",
        takes_options: true,
        cases: &[
            case("DURABLE.INCRBY balance 100", "the key has a number", "SET balance 50"),
            case("DURABLE.INCRBY balance 100", "there is no such key", ""),
        ],
        example: &["DURABLE.SET balance 50", "DURABLE.INCRBY balance 100 REPLICAS ALL"],
        again: "Not harmless: it adds twice.",
    },
    Row {
        name: "DECRBY",
        what: "Subtracts from a number.",
        takes_options: true,
        cases: &[
            case("DURABLE.DECRBY balance 20", "the key has a number", "SET balance 50"),
            case("DURABLE.DECRBY balance 20", "there is no such key", ""),
        ],
        example: &["DURABLE.SET balance 50", "DURABLE.DECRBY balance 20 REPLICAS ALL"],
        again: "Not harmless: it subtracts twice.",
    },
    Row {
        name: "INCRBYFLOAT",
        what: "Adds to a number that may have a fraction.",
        takes_options: true,
        cases: &[
            case("DURABLE.INCRBYFLOAT weight 0.5", "the key has a number", "SET weight 2"),
            case("DURABLE.INCRBYFLOAT weight 0.5", "there is no such key", ""),
        ],
        example: &["DURABLE.SET weight 2", "DURABLE.INCRBYFLOAT weight 0.5 REPLICAS 2"],
        again: "Not harmless: it adds twice.",
    },
    Row {
        name: "DEL",
        what: "Deletes keys.",
        takes_options: false,
        cases: &[
            case("DURABLE.DEL cart:1 cart:2", "one of the keys exists", "SET cart:1 x"),
            case("DURABLE.DEL cart:1 cart:2", "none exists", ""),
        ],
        example: &["DURABLE.MSET cart:1 a cart:2 b", "DURABLE.DEL cart:1 cart:2 cart:3", "DURABLE.CALL REPLICAS 2 DEL cart:1"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "UNLINK",
        what: "Deletes keys, and frees their memory in the background.",
        takes_options: false,
        cases: &[
            case("DURABLE.UNLINK cart:1 cart:2", "one of the keys exists", "SET cart:1 x"),
            case("DURABLE.UNLINK cart:1 cart:2", "none exists", ""),
        ],
        example: &["DURABLE.MSET cart:1 a cart:2 b", "DURABLE.UNLINK cart:1 cart:2"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "EXPIRE",
        what: "Lets a key expire after some seconds.",
        takes_options: false,
        cases: &[
            case("DURABLE.EXPIRE session:1 3600", "the key exists", "SET session:1 ada"),
            case("DURABLE.EXPIRE session:1 3600", "there is no such key", ""),
            case("DURABLE.EXPIRE session:1 3600 NX", "the key expires already", "SET session:1 ada EX 60"),
        ],
        example: &["DURABLE.SET session:1 ada", "DURABLE.EXPIRE session:1 3600", "DURABLE.EXPIRE session:1 60 NX"],
        again: "The time begins again, counted from the second command. EXPIREAT with DURABLE.CALL does not have this effect.",
    },
    Row {
        name: "PEXPIRE",
        what: "Lets a key expire after some milliseconds.",
        takes_options: false,
        cases: &[
            case("DURABLE.PEXPIRE session:1 3600000", "the key exists", "SET session:1 ada"),
            case("DURABLE.PEXPIRE session:1 3600000", "there is no such key", ""),
        ],
        example: &["DURABLE.SET session:1 ada", "DURABLE.PEXPIRE session:1 3600000"],
        again: "The time begins again, counted from the second command. PEXPIREAT with DURABLE.CALL does not have this effect.",
    },
    Row {
        name: "PERSIST",
        what: "Keeps a key that would have expired.",
        takes_options: true,
        cases: &[
            case("DURABLE.PERSIST session:1", "the key expires", "SET session:1 ada EX 60"),
            case("DURABLE.PERSIST session:1", "it does not expire, or there is no such key", ""),
        ],
        example: &["DURABLE.SET session:1 ada EX 60", "DURABLE.PERSIST session:1 REPLICAS 2", "TTL session:1"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "RENAME",
        what: "Gives a key another name.",
        takes_options: true,
        cases: &[
            case("DURABLE.RENAME draft:1 order:1", "the key exists", "SET draft:1 x"),
            case("DURABLE.RENAME draft:1 order:1", "there is no such key", ""),
        ],
        example: &["DURABLE.SET draft:1 shoes", "DURABLE.RENAME draft:1 order:1 REPLICAS 2", "GET order:1"],
        again: "The second one gets an error, because the key has its new name already.",
    },
    Row {
        name: "HSET",
        what: "Sets fields of a hash.",
        takes_options: false,
        cases: &[
            case("DURABLE.HSET user:7 name ada age 36", "the fields are new", ""),
            case("DURABLE.HSET user:7 name ada age 36", "the fields are there", "HSET user:7 name bob age 1"),
        ],
        example: &["DURABLE.HSET user:7 name ada age 36", "HGET user:7 name"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "HSETNX",
        what: "Sets a field of a hash, if it is not there.",
        takes_options: true,
        cases: &[
            case("DURABLE.HSETNX user:7 name ada", "the field is new", ""),
            case("DURABLE.HSETNX user:7 name ada", "the field is there", "HSET user:7 name bob"),
        ],
        example: &["DURABLE.HSETNX user:7 name ada REPLICAS 2", "DURABLE.HSETNX user:7 name bob"],
        again: "The data stay the same, but the second reply is 0: it does not tell who has set the field.",
    },
    Row {
        name: "HDEL",
        what: "Deletes fields of a hash.",
        takes_options: false,
        cases: &[
            case("DURABLE.HDEL user:7 age", "the field is there", "HSET user:7 age 36"),
            case("DURABLE.HDEL user:7 age", "it is not there", ""),
        ],
        example: &["DURABLE.HSET user:7 name ada age 36", "DURABLE.HDEL user:7 age size"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "HINCRBY",
        what: "Adds to a number in a field of a hash.",
        takes_options: true,
        cases: &[
            case("DURABLE.HINCRBY user:7 logins 1", "the field has a number", "HSET user:7 logins 4"),
            case("DURABLE.HINCRBY user:7 logins 1", "there is no such field", ""),
        ],
        example: &["DURABLE.HSET user:7 logins 4", "DURABLE.HINCRBY user:7 logins 1 REPLICAS 2"],
        again: "Not harmless: it adds twice.",
    },
    Row {
        name: "LPUSH",
        what: "Puts elements in front of a list.",
        takes_options: false,
        cases: &[
            case("DURABLE.LPUSH queue b c", "the list has one element", "RPUSH queue a"),
            case("DURABLE.LPUSH queue b c", "the key has another type", "SET queue x"),
        ],
        example: &["DURABLE.LPUSH queue mail:1 mail:2", "LRANGE queue 0 -1"],
        again: "Not harmless: the elements are there twice.",
    },
    Row {
        name: "RPUSH",
        what: "Puts elements at the end of a list.",
        takes_options: false,
        cases: &[
            case("DURABLE.RPUSH queue b c", "the list has one element", "RPUSH queue a"),
            case("DURABLE.RPUSH queue b c", "there is no such key", ""),
        ],
        example: &["DURABLE.RPUSH queue mail:1 mail:2", "LRANGE queue 0 -1"],
        again: "Not harmless: the elements are there twice.",
    },
    Row {
        name: "LPOP",
        what: "Takes elements from the front of a list.",
        takes_options: false,
        cases: &[
            case("DURABLE.LPOP queue", "the list has elements", "RPUSH queue a b"),
            case("DURABLE.LPOP queue 2", "the list has elements", "RPUSH queue a b c"),
            case("DURABLE.LPOP queue", "there is no such key", ""),
            case("DURABLE.LPOP queue 2", "there is no such key", ""),
        ],
        example: &["DURABLE.RPUSH queue mail:1 mail:2", "DURABLE.LPOP queue", "DURABLE.LPOP queue 5"],
        again: "Not harmless: the second one takes other elements, and those of the first are lost.",
    },
    Row {
        name: "RPOP",
        what: "Takes elements from the end of a list.",
        takes_options: false,
        cases: &[
            case("DURABLE.RPOP queue", "the list has elements", "RPUSH queue a b"),
            case("DURABLE.RPOP queue 2", "the list has elements", "RPUSH queue a b c"),
            case("DURABLE.RPOP queue", "there is no such key", ""),
        ],
        example: &["DURABLE.RPUSH queue mail:1 mail:2", "DURABLE.RPOP queue", "DURABLE.RPOP queue 5"],
        again: "Not harmless: the second one takes other elements, and those of the first are lost.",
    },
    Row {
        name: "LMOVE",
        what: "Takes an element from one list and puts it into another.",
        takes_options: true,
        cases: &[
            case("DURABLE.LMOVE queue working LEFT RIGHT", "the first list has elements", "RPUSH queue a b"),
            case("DURABLE.LMOVE queue working LEFT RIGHT", "there is no such key", ""),
        ],
        example: &["DURABLE.RPUSH queue mail:1 mail:2", "DURABLE.LMOVE queue working LEFT RIGHT REPLICAS 2", "LRANGE working 0 -1"],
        again: "Not harmless: the second one moves another element.",
    },
    Row {
        name: "SADD",
        what: "Adds members to a set.",
        takes_options: false,
        cases: &[
            case("DURABLE.SADD tags red blue", "one of the members is new", "SADD tags red"),
            case("DURABLE.SADD tags red blue", "both are there", "SADD tags red blue"),
        ],
        example: &["DURABLE.SADD tags red blue", "DURABLE.SADD tags red", "SISMEMBER tags red"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "SREM",
        what: "Removes members from a set.",
        takes_options: false,
        cases: &[
            case("DURABLE.SREM tags red green", "one of the members is there", "SADD tags red blue"),
            case("DURABLE.SREM tags red green", "there is no such key", ""),
        ],
        example: &["DURABLE.SADD tags red blue", "DURABLE.SREM tags red green"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "ZADD",
        what: "Adds members to a sorted set, or changes their scores.",
        takes_options: false,
        cases: &[
            case("DURABLE.ZADD board 10 ada 20 bob", "one of the members is new", "ZADD board 5 ada"),
            case("DURABLE.ZADD board INCR 1.5 ada", "the member is there", "ZADD board 5 ada"),
            case("DURABLE.ZADD board XX INCR 1.5 ada", "there is no such member", ""),
        ],
        example: &["DURABLE.ZADD board 10 ada 20 bob", "DURABLE.ZADD board GT CH 30 ada 15 bob", "ZRANGE board 0 -1 WITHSCORES"],
        again: "Harmless with fixed scores, if no other client writes the same data in between. Not with INCR.",
    },
    Row {
        name: "ZREM",
        what: "Removes members from a sorted set.",
        takes_options: false,
        cases: &[
            case("DURABLE.ZREM board ada eve", "one of the members is there", "ZADD board 1 ada"),
            case("DURABLE.ZREM board ada eve", "there is no such key", ""),
        ],
        example: &["DURABLE.ZADD board 10 ada 20 bob", "DURABLE.ZREM board ada"],
        again: HARMLESS_ZERO,
    },
    Row {
        name: "ZINCRBY",
        what: "Adds to the score of a member of a sorted set.",
        takes_options: true,
        cases: &[
            case("DURABLE.ZINCRBY board 1.5 ada", "the member is there", "ZADD board 10 ada"),
            case("DURABLE.ZINCRBY board 1.5 ada", "there is no such member", ""),
        ],
        example: &["DURABLE.ZADD board 10 ada", "DURABLE.ZINCRBY board 1.5 ada REPLICAS 2"],
        again: "Not harmless: it adds twice.",
    },
    Row {
        name: "XADD",
        what: "Appends an entry to a stream.",
        takes_options: false,
        cases: &[
            case("DURABLE.XADD events 7-1 type login", "the id is above the last one", ""),
            case("DURABLE.XADD events 7-1 type login", "the id is not above the last one", "XADD events 9-1 type logout"),
            case("DURABLE.XADD events NOMKSTREAM 7-1 type login", "there is no such key", ""),
        ],
        example: &["DURABLE.XADD events 7-1 type login user ada", "DURABLE.XADD events MAXLEN 1000 7-2 type logout user ada", "XLEN events"],
        again: "With `*` not harmless: the entry is there twice. With an id of your own the second one gets an error at once; send [DURABLE.WAIT](durable.wait.md) to learn whether the first one is acknowledged.",
    },
    Row {
        name: "XDEL",
        what: "Deletes entries of a stream.",
        takes_options: false,
        cases: &[
            case("DURABLE.XDEL events 7-1 9-9", "one of the entries is there", "XADD events 7-1 type login"),
            case("DURABLE.XDEL events 7-1 9-9", "there is no such key", ""),
        ],
        example: &["DURABLE.XADD events 7-1 type login", "DURABLE.XDEL events 7-1"],
        again: "Harmless. The second reply is 0.",
    },
    Row {
        name: "XACK",
        what: "Marks entries of a stream as done, for a consumer group.",
        takes_options: false,
        cases: &[
            case("DURABLE.XACK events mailers 7-1", "the entry was delivered", "XADD events 7-1 type login; XGROUP CREATE events mailers 0; XREADGROUP GROUP mailers worker STREAMS events >"),
            case("DURABLE.XACK events mailers 7-1", "it is done already, or was never delivered", ""),
        ],
        example: &["DURABLE.XADD events 7-1 type login", "XGROUP CREATE events mailers 0", "XREADGROUP GROUP mailers worker STREAMS events >", "DURABLE.XACK events mailers 7-1"],
        again: "Harmless. The second reply is 0.",
    },
];
