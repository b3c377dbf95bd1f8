//! Backends: their devices take back what has not begun, and say what cannot move.
