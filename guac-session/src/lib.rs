//! One live remote desktop connection: its owner, its joined users, its picture.
