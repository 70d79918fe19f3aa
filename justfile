# One-line names for what is typed daily; nothing needs them.

# format, clippy, tests, docs: cheapest first
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# the embedded experiment
reproduce *arguments:
    cargo xtask reproduce {{arguments}}

# the benchmarks of one crate
bench crate:
    cargo bench --package fisherlens-{{crate}}

# the time of every expensive stage, compared with its peer and with the machine's limit
bench-all *arguments:
    cargo xtask-release bench {{arguments}}

# the Python package: built and installed into the present virtual environment, and its tests
python:
    pip install --requirement crates/python/tests/requirements.txt maturin
    cd crates/python && maturin develop --profile dev
    cd crates/python && mypy python/fisherlens && ruff check && ruff format --check && pytest

# format, clippy and tests with the networks
check-cnn:
    cargo clippy --workspace --all-targets --features cnn -- -D warnings
    cargo test --workspace --features cnn
