//! The descriptions of commands by COMMAND INFO.

use testkit::redis::Value;
use testkit::Server;

/// The description of a command by `COMMAND INFO`.
pub struct CommandInfo {
    pub arity: i64,
    pub flags: Vec<String>,
    /// First key, last key, step.
    pub keys: (i64, i64, i64),
    /// Without the `@`.
    pub categories: Vec<String>,
    /// `name|subcommand`
    pub subcommands: Vec<String>,
}

/// `None` for an unknown command.
#[track_caller]
pub fn command_info(server: &Server, name: &str) -> Option<CommandInfo> {
    let entries: Vec<Value> = server.run(&["COMMAND", "INFO", name]);
    read_info(&entries[0])
}

/// Every command of the server, with all subcommands.
#[track_caller]
pub fn all_commands(server: &Server) -> Vec<(String, CommandInfo)> {
    let mut names: Vec<String> = server.run(&["COMMAND", "LIST"]);
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let info =
            command_info(server, &name).expect("COMMAND INFO does not know a listed command");
        for sub in &info.subcommands {
            let of_sub =
                command_info(server, sub).expect("COMMAND INFO does not know a listed subcommand");
            all.push((sub.clone(), of_sub));
        }
        all.push((name, info));
    }
    all
}

fn read_info(entry: &Value) -> Option<CommandInfo> {
    let Value::Array(fields) = entry else {
        return None;
    };
    let number = |index: usize| match fields.get(index) {
        Some(Value::Int(number)) => *number,
        other => panic!("COMMAND INFO has {other:?} at {index}"),
    };
    let subcommands = match fields.get(9) {
        Some(Value::Array(subs)) => subs.iter().filter_map(name_of).collect(),
        _ => Vec::new(),
    };
    Some(CommandInfo {
        arity: number(1),
        flags: words(&fields[2]),
        keys: (number(3), number(4), number(5)),
        categories: words(&fields[6])
            .into_iter()
            .map(|name| name.trim_start_matches('@').to_owned())
            .collect(),
        subcommands,
    })
}

fn name_of(entry: &Value) -> Option<String> {
    match entry {
        Value::Array(fields) => testkit::redis::from_redis_value_ref(fields.first()?).ok(),
        _ => None,
    }
}

fn words(list: &Value) -> Vec<String> {
    testkit::redis::from_redis_value_ref(list).expect("not a list of words")
}
