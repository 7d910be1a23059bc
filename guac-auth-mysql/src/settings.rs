//! Attributes and parameters: tables of an owner's key, a name and a value. And the checks every field goes through.

use std::collections::BTreeMap;

use crate::{
    db::{Session, args, is_duplicate},
    error::StoreError,
    limits,
    model::ObjectKind,
};

/// Attributes of ours in the attribute tables: never shown, never taken from outside, left alone when others change.
const OWN_PREFIX: &str = "guacd-lite-";

/// A table of settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingsTable {
    table: &'static str,
    owner: &'static str,
    kind: &'static str,
}

macro_rules! settings_tables {
    ($($name:ident = $table:literal, $owner:literal, $kind:literal;)*) => {
        $(pub(crate) const $name: SettingsTable = SettingsTable { table: $table, owner: $owner, kind: $kind };)*
    };
}

settings_tables! {
    USER_ATTRIBUTES = "guacamole_user_attribute", "user_id", "attribute";
    USER_GROUP_ATTRIBUTES = "guacamole_user_group_attribute", "user_group_id", "attribute";
    CONNECTION_ATTRIBUTES = "guacamole_connection_attribute", "connection_id", "attribute";
    CONNECTION_GROUP_ATTRIBUTES = "guacamole_connection_group_attribute", "connection_group_id", "attribute";
    CONNECTION_PARAMETERS = "guacamole_connection_parameter", "connection_id", "parameter";
    SHARING_PROFILE_PARAMETERS = "guacamole_sharing_profile_parameter", "sharing_profile_id", "parameter";
}

impl SettingsTable {
    /// All settings of all `owners`, without our own.
    pub(crate) async fn load(
        self,
        session: &mut Session,
        owners: &[i64],
    ) -> Result<BTreeMap<i64, BTreeMap<String, String>>, StoreError> {
        let Self { table, owner, kind } = self;
        let before = format!("SELECT {owner}, {kind}_name, {kind}_value FROM {table} WHERE {owner} IN");
        let mut all: BTreeMap<i64, BTreeMap<String, String>> = BTreeMap::new();
        for row in session.rows_in(&before, owners, "", &[]).await? {
            let name = row.text(1)?;
            if !is_own(&name) {
                all.entry(row.int(0)?).or_default().insert(name, row.text(2)?);
            }
        }
        Ok(all)
    }

    /// Makes `settings` all that `owner` has, but for our own. Blank values are left out, as Guacamole does.
    pub(crate) async fn replace<'a>(
        self,
        session: &mut Session,
        owner_key: i64,
        settings: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), StoreError> {
        let Self { table, owner, kind } = self;
        let delete = format!("DELETE FROM {table} WHERE {owner} = ? AND {kind}_name NOT LIKE ?");
        session.execute(delete, args![owner_key, &format!("{OWN_PREFIX}%")]).await?;
        let insert = format!("INSERT INTO {table} ({owner}, {kind}_name, {kind}_value) VALUES (?, ?, ?)");
        for (name, value) in settings {
            if !value.is_empty() && !is_own(name) {
                let done = session.execute(insert.clone(), args![owner_key, name, value]).await;
                // Names that differ only in letter case are the same to the database.
                done.map_err(|error| if is_duplicate(&error) { StoreError::Invalid { field: kind } } else { error })?;
            }
        }
        Ok(())
    }
}

/// Whether an attribute is one of ours. Without regard to letter case, as the database finds it.
fn is_own(name: &str) -> bool {
    name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX))
}

/// Checks a name and cuts blanks around it, which the database would not tell apart at the end.
pub(crate) fn check_name(kind: ObjectKind, name: &str) -> Result<&str, StoreError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(StoreError::BlankName { kind });
    }
    check_length("name", name, limits::MAX_NAME_CHARS)?;
    Ok(name)
}

/// Columns count characters, not bytes.
pub(crate) fn check_length(field: &'static str, text: &str, limit: usize) -> Result<(), StoreError> {
    if text.chars().count() > limit {
        return Err(StoreError::TooLong { field, limit });
    }
    if text.contains('\0') {
        return Err(StoreError::Invalid { field });
    }
    Ok(())
}

pub(crate) fn check_settings<'a>(
    what: &'static str,
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), StoreError> {
    for (count, (name, value)) in settings.enumerate() {
        if count >= limits::MAX_SETTINGS {
            return Err(StoreError::TooMany { what, limit: limits::MAX_SETTINGS });
        }
        if name.trim().is_empty() {
            return Err(StoreError::Invalid { field: what });
        }
        check_length(what, name, limits::MAX_SETTING_NAME_CHARS)?;
        if value.chars().count() > limits::MAX_VALUE_CHARS {
            return Err(StoreError::ValueTooLong { name: name.to_owned(), limit: limits::MAX_VALUE_CHARS });
        }
    }
    Ok(())
}

pub(crate) fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Cuts text to fit its column, for what comes from outside and is only noted down.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// A number of the database that has to be small: negative ones, put there by hand, count as not set.
pub(crate) fn small(value: Option<i64>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

/// Limits are signed in the database.
pub(crate) fn check_limit(field: &'static str, value: Option<u32>) -> Result<Option<i64>, StoreError> {
    match value {
        Some(value) if i32::try_from(value).is_err() => Err(StoreError::Invalid { field }),
        other => Ok(other.map(i64::from)),
    }
}
