//! `--until STAGE --shard i/n`: one of several processes that do the work of a run together.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use fisherlens_experiment::division::compute_share;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::photographs::{self, Listed};
use fisherlens_experiment::session::Session;
use fisherlens_experiment::share::{Chosen, Share};
use fisherlens_experiment::stage::Stage;

use crate::terminal;

/// Which share of a stage a process computes.
#[derive(Debug, Clone, Default, Args)]
pub struct Division {
    /// Compute only every n-th shard of the stage that --until names, beginning with the i-th: processes with 1/n, 2/n, … and n/n, which have
    /// the same folder of artifacts, compute the stage together
    #[arg(long, value_name = "I/N", requires = "until")]
    pub shard: Option<Share>,
    /// With --until mixture --shard: seconds to wait in each step for the sums of the other processes
    #[arg(long, value_name = "SECONDS", default_value_t = 0, requires = "shard")]
    pub wait: u64,
}

/// The stage that `--until` names; `None` without `--until`. `earlier`: names that the caller has already compared with it.
///
/// # Errors
/// A name that no stage has.
pub fn last_stage<S: Copy>(
    until: Option<&str>,
    earlier: &[&str],
    stages: &[S],
    name_of: fn(S) -> &'static str,
) -> Result<Option<S>> {
    let Some(name) = until else { return Ok(None) };
    let stage = stages.iter().copied().find(|&stage| name_of(stage) == name);
    stage.map(Some).with_context(|| {
        let stages = stages.iter().map(|&stage| name_of(stage));
        let names: Vec<&str> = earlier.iter().copied().chain(stages).collect();
        format!("--until {name}: expected one of {}", names.join(", "))
    })
}

impl Division {
    /// Looks into photographs if that is what `--until` asks for; returns whether it does.
    ///
    /// # Errors
    /// See [`Listed`].
    pub fn look(&self, until: Option<&str>, session: &Session, interrupt: &Interrupt) -> Result<bool> {
        if until != Some(photographs::NAME) {
            return Ok(false);
        }
        let progress = terminal::progress();
        let chosen = self.shard.map_or(Chosen::All, Chosen::Share);
        let listed = Listed::new(session, &progress, interrupt)?;
        let looked = listed.look(session, &progress, interrupt, chosen)?;
        let share =
            self.shard.map_or_else(String::new, |share| format!(" (share {share} of {} chunks)", listed.n_chunks()));
        progress.stage_line(photographs::NAME, &format!("looked into {} photographs{share}", looked.n_photographs));
        Ok(true)
    }

    /// Computes the share that `--shard` names; returns whether there is one.
    ///
    /// # Errors
    /// See [`compute_share`].
    pub fn compute(&self, experiment: &Experiment, until: Option<Stage>) -> Result<bool> {
        let Some(share) = self.shard else { return Ok(false) };
        let stage = until.filter(|stage| *stage != Stage::Report);
        let stage = stage.context("--shard: expected --until with the stage that is divided")?;
        compute_share(experiment, stage, share, Duration::from_secs(self.wait))?;
        Ok(true)
    }
}
