//! A listing of a MySQL schema, in a form that does not depend on the server's version.

use std::{collections::BTreeMap, fmt::Write as _};

use sqlx::{AssertSqlSafe, MySqlPool, Row, mysql::MySqlRow};

/// What the tables of Guacamole 1.6 look like in this form.
pub(crate) const GUACAMOLE_1_6: &str = include_str!("schema.txt");

/// Every table with columns, keys and references, by name.
pub(crate) async fn listing(pool: &MySqlPool) -> String {
    let mut text = String::new();
    let tables = "SELECT table_name, engine, table_collation FROM information_schema.tables \
         WHERE table_schema = DATABASE() ORDER BY table_name";
    let (columns, keys, foreign) = (columns(pool).await, keys(pool).await, foreign(pool).await);
    for row in rows(pool, tables).await {
        let (name, engine, collation) = (cell(&row, 0), cell(&row, 1), cell(&row, 2));
        let charset = collation.split('_').next().unwrap_or_default().replace("utf8mb3", "utf8");
        let _ = writeln!(text, "{name} {engine} {charset}");
        for part in [&columns, &keys, &foreign] {
            for line in part.get(&name).into_iter().flatten() {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    text
}

type Lines = BTreeMap<String, Vec<String>>;

async fn columns(pool: &MySqlPool) -> Lines {
    let sql = "SELECT table_name, ordinal_position, column_name, column_type, is_nullable, \
         COALESCE(column_default, 'NULL'), extra FROM information_schema.columns \
         WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position";
    let mut lines = Lines::new();
    for row in rows(pool, sql).await {
        let null = if cell(&row, 4) == "NO" { "not null" } else { "null" };
        let position: u64 = row.get_unchecked(1);
        let mut line = format!("{position} {} {} {null}", cell(&row, 2), plain_type(&cell(&row, 3)));
        let default = cell(&row, 5).trim_matches('\'').to_owned();
        if default != "NULL" {
            let _ = write!(line, " default {default}");
        }
        if !cell(&row, 6).is_empty() {
            let _ = write!(line, " {}", cell(&row, 6));
        }
        lines.entry(cell(&row, 0)).or_default().push(line);
    }
    lines
}

/// Display widths of numbers, which newer servers have dropped, are noise. That of a boolean is its name.
fn plain_type(ty: &str) -> String {
    if ty.starts_with("int(") { "int".to_owned() } else { ty.to_owned() }
}

async fn keys(pool: &MySqlPool) -> Lines {
    let sql = "SELECT table_name, index_name, non_unique, column_name FROM information_schema.statistics \
         WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index";
    let mut columns: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows(pool, sql).await {
        let non_unique: i64 = row.get_unchecked(2);
        let name = format!("{} {}", if non_unique == 0 { "unique" } else { "key" }, cell(&row, 1));
        columns.entry((cell(&row, 0), name)).or_default().push(cell(&row, 3));
    }
    let mut lines = Lines::new();
    for ((table, name), columns) in columns {
        lines.entry(table).or_default().push(format!("{name} ({})", columns.join(", ")));
    }
    lines.values_mut().for_each(|lines| lines.sort());
    lines
}

async fn foreign(pool: &MySqlPool) -> Lines {
    let sql = "SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, k.referenced_column_name, \
         r.delete_rule FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
         ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name \
         AND r.constraint_name = k.constraint_name WHERE k.table_schema = DATABASE()";
    let mut lines = Lines::new();
    for row in rows(pool, sql).await {
        let (name, column, table, target) = (cell(&row, 1), cell(&row, 2), cell(&row, 3), cell(&row, 4));
        let rule = cell(&row, 5).to_lowercase();
        let line = format!("foreign {name} ({column}) to {table} ({target}) on delete {rule}");
        lines.entry(cell(&row, 0)).or_default().push(line);
    }
    lines.values_mut().for_each(|lines| lines.sort());
    lines
}

async fn rows(pool: &MySqlPool, sql: &str) -> Vec<MySqlRow> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.unwrap()
}

/// Text, which the server sometimes calls bytes.
fn cell(row: &MySqlRow, index: usize) -> String {
    String::from_utf8(row.get_unchecked::<Vec<u8>, usize>(index)).unwrap()
}
