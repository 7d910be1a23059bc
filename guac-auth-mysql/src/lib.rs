//! Users, permissions, connections and history on Guacamole's database schema.
