//! Tables as statements of each engine.

use std::fmt::Write as _;

use super::tables::{Column, SYSTEM_PERMISSIONS, Table, Type};

/// `CREATE TABLE` for MySQL and MariaDB.
pub(super) fn mysql_table(table: &Table) -> String {
    let mut parts: Vec<String> = table.columns.iter().map(mysql_column).collect();
    parts.push(format!("PRIMARY KEY ({})", quoted(table.primary)));
    for (name, columns) in table.unique {
        parts.push(format!("UNIQUE KEY `{name}` ({})", quoted(columns)));
    }
    for (name, columns) in table.keys {
        parts.push(format!("KEY `{name}` ({})", quoted(columns)));
    }
    for key in table.foreign {
        let action = if key.set_null { "SET NULL" } else { "CASCADE" };
        parts.push(format!(
            "CONSTRAINT `{}` FOREIGN KEY (`{}`) REFERENCES `{}` (`{}`) ON DELETE {action}",
            key.name, key.column, key.table, key.target
        ));
    }
    // `utf8` and not a later name: all versions of both servers take it, and it is what Guacamole's tables have.
    format!("CREATE TABLE IF NOT EXISTS `{}` ({}) ENGINE=InnoDB DEFAULT CHARSET=utf8", table.name, parts.join(", "))
}

fn mysql_column(column: &Column) -> String {
    let ty = match column.ty {
        Type::Serial => "int(11)".to_owned(),
        Type::Int => "int(11)".to_owned(),
        Type::BigInt => "bigint".to_owned(),
        Type::Blob => "blob".to_owned(),
        Type::Text(width) | Type::Name(width) => format!("varchar({width})"),
        Type::Enum(words) => format!("enum({})", words_of(words)),
        Type::Bool => "boolean".to_owned(),
        Type::Hash => "binary(32)".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Time => "time".to_owned(),
        Type::DateTime => "datetime".to_owned(),
    };
    let mut text = format!("`{}` {ty}", column.name);
    text.push_str(if column.null { " DEFAULT NULL" } else { " NOT NULL" });
    if matches!(column.ty, Type::Serial) {
        text.push_str(" AUTO_INCREMENT");
    }
    if let Some(default) = column.default {
        let _ = write!(text, " DEFAULT '{default}'");
    }
    text
}

/// Adds `AUDIT` to the enum of a database from before Guacamole 1.6.
pub(super) fn mysql_add_audit() -> String {
    format!(
        "ALTER TABLE `guacamole_system_permission` MODIFY `permission` enum({}) NOT NULL",
        words_of(SYSTEM_PERMISSIONS)
    )
}

/// `CREATE TABLE` and `CREATE INDEX` for SQLite: the same names, with checks for what its types do not say.
pub(super) fn sqlite_table(table: &Table) -> Vec<String> {
    let mut parts: Vec<String> = table.columns.iter().map(sqlite_column).collect();
    if !table.columns.iter().any(|column| matches!(column.ty, Type::Serial)) {
        parts.push(format!("PRIMARY KEY ({})", quoted(table.primary)));
    }
    for (name, columns) in table.unique {
        parts.push(format!("CONSTRAINT `{name}` UNIQUE ({})", quoted(columns)));
    }
    for key in table.foreign {
        let action = if key.set_null { "SET NULL" } else { "CASCADE" };
        parts.push(format!(
            "CONSTRAINT `{}` FOREIGN KEY (`{}`) REFERENCES `{}` (`{}`) ON DELETE {action}",
            key.name, key.column, key.table, key.target
        ));
    }
    let mut statements = vec![format!("CREATE TABLE IF NOT EXISTS `{}` ({})", table.name, parts.join(", "))];
    // Index names are global in SQLite. MySQL makes an index for each foreign key by itself; here they are made by hand.
    let foreign = table.foreign.iter().filter(|key| !leads_a_key(table, key.column));
    let foreign = foreign.map(|key| (key.name.to_owned(), quoted(&[key.column])));
    let keys = table.keys.iter().map(|(name, columns)| (format!("{}_{name}", table.name), quoted(columns)));
    for (name, columns) in keys.chain(foreign) {
        statements.push(format!("CREATE INDEX IF NOT EXISTS `{name}` ON `{}` ({columns})", table.name));
    }
    statements
}

fn leads_a_key(table: &Table, column: &str) -> bool {
    let lists = table.unique.iter().chain(table.keys).map(|(_, columns)| *columns);
    lists.chain([table.primary]).any(|columns| columns.first() == Some(&column))
}

fn sqlite_column(column: &Column) -> String {
    let name = column.name;
    if matches!(column.ty, Type::Serial) {
        // AUTOINCREMENT so that, as on MySQL, the key of a deleted row is not given out again.
        return format!("`{name}` INTEGER PRIMARY KEY AUTOINCREMENT");
    }
    let null = if column.null { "" } else { " NOT NULL" };
    let default = column.default.map(|default| format!(" DEFAULT '{default}'")).unwrap_or_default();
    let (ty, check) = match column.ty {
        Type::Serial | Type::Int | Type::BigInt => ("INTEGER", format!("typeof(`{name}`) IN ('integer', 'null')")),
        Type::Blob => ("BLOB", format!("length(`{name}`) <= 65535")),
        Type::Text(width) => ("TEXT", format!("length(`{name}`) <= {width}")),
        Type::Name(width) => ("TEXT COLLATE NOCASE", format!("length(`{name}`) <= {width}")),
        Type::Enum(words) => ("TEXT", format!("`{name}` IN ({})", words_of(words))),
        Type::Bool => ("INTEGER", format!("`{name}` IN (0, 1)")),
        Type::Hash => ("BLOB", format!("length(`{name}`) = 32")),
        Type::Date => ("TEXT", format!("length(`{name}`) = 10")),
        Type::Time => ("TEXT", format!("length(`{name}`) = 8")),
        Type::DateTime => ("TEXT", format!("length(`{name}`) = 19")),
    };
    format!("`{name}` {ty}{null}{default} CHECK ({check})")
}

fn quoted(columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    columns.join(", ")
}

fn words_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    words.join(",")
}
