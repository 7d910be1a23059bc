//! A listing of a MySQL schema, to be compared with the one Guacamole 1.6 makes.
