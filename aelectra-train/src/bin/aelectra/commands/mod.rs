//! One file per verb.

pub(crate) mod bench;
pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod embed_check;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod finetune;
pub(crate) mod inspect;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod prepare;
pub(crate) mod pretrain;
pub(crate) mod robustness;
pub(crate) mod score;
pub(crate) mod system;
pub(crate) mod vocab;
pub(crate) mod worker;
