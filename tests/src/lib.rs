//! Whole-pipeline tests live in `tests/tests/`; this crate itself is empty.
