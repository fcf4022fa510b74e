"""The names that other programs and papers use for the settings and losses of this project.

They are not accepted here: the error says which name to use. `RENAMED` alone is accepted.
"""

from __future__ import annotations

from typing import Any, Final

from rrl_dsl.language.diagnostics import folded

RENAMED: Final = {
    "optimiser": "optimizer",
    "prototypes.centre_momentum": "prototypes.center_momentum",
    "loss.centring": "loss.centering",
    "optimizer.scale_lr": "optimizer.lr_scale",
}
"""The name of a setting in the previous release -> its name. The old one is accepted, with a note,
in this release alone."""

RENAMED_VALUES: Final[dict[str, dict[Any, str]]] = {
    "augmentation": {"small-grey": "small-gray"},
    "optimizer.lr_scale": {True: "linear", False: "none"},
}
"""Setting -> its values that had another name in the previous release."""

_SETTINGS: Final = {
    "dataset": "data nodes data_name train_data data_file",
    "data_dir": "root data_root data_path data_folder",
    "image_size": "img_size resize input_size crop_size",
    "workers": "num_workers n_workers",
    "loss": "criterion objective loss_fn method",
    "loss.temperature": "temperature temp tau t",
    "backbone": "arch architecture model encoder network",
    "pretrained": "imagenet_pretrained use_pretrained",
    "init": "weights checkpoint_path init_checkpoint finetune load_from pretrained_weights",
    "projector.hidden": "proj_hidden proj_hidden_dim hidden_dim",
    "projector.out": "proj_output_dim proj_dim projection_dim embedding_dim out_dim dim",
    "projector.layers": "proj_layers",
    "predictor.hidden": "pred_hidden_dim",
    "teacher.momentum": "ema base_tau momentum_teacher",
    "prototypes.count": "num_prototypes n_prototypes",
    "bank": "queue queue_size memory_bank",
    "local_views.count": "local_crops num_local_crops local_crops_number num_small_crops",
    "optimizer.name": "opt optim optimizer optimiser",
    "optimizer.lr": "lr learning_rate base_lr max_lr",
    "optimizer.weight_decay": "wd decay",
    "optimizer.warmup": "warmup warmup_epochs",
    "optimizer.momentum": "momentum",
    "optimizer.final_weight_decay": "weight_decay_end final_wd wd_end",
    "optimizer.lr_scale": "linear_scaling scale_learning_rate auto_scale_lr",
    "optimizer.layer_decay": "lr_decay layer_wise_decay layerwise_decay llrd",
    "optimizer.clip": "clip_grad grad_clip gradient_clip_val max_grad_norm clip_norm",
    "teacher.final": "final_tau momentum_end",
    "augmentation": "aug augment augmentations transform transforms",
    "epochs": "max_epochs num_epochs n_epochs",
    "batch_size": "batch bs train_batch_size batch_size_per_gpu",
    "micro_batch": "micro_batch_size gradient_cache",
    "seed": "random_seed random_state manual_seed",
    "accelerator": "device",
    "accelerator=gpu": "gpu cuda use_gpu",
    "accelerator=cpu": "cpu no_cuda",
    "devices": "gpus num_gpus n_gpus num_devices world_size nproc_per_node",
    "num_nodes": "nnodes n_nodes num_machines",
    "precision": "dtype",
    "logger": "loggers tracker log_to report_to experiment_tracker",
    "logger=wandb": "use_wandb",
    "precision=16-mixed": "amp fp16 half mixed_precision",
    "precision=bf16-mixed": "bf16",
    "compile": "torch_compile compile_model",
}
_OPTIONS: Final = {
    "--out": "output output_dir out_dir save save_dir log_dir run_dir file name exp_name",
    "--resume": "checkpoint ckpt ckpt_path resume_from resume_from_checkpoint restart load",
    "--config": "cfg config_file yaml settings",
    "--expression": "expr recipe text",
    "--param": "params parameter parameters",
    "--no-eval": "no_probe skip_eval",
    "--show": "draw plot picture visualize",
    "--set": "override option setting",
}
_VALUES: Final = {
    "adamw": "adam_w",
    "sgd": "momentum nesterov",
    "gpu": "cuda mps",
    "32": "fp32 float32 32_true full",
    "16-mixed": "16 fp16 float16 half amp 16_true",
    "bf16-mixed": "bf16 bfloat16 bf16_true",
    "relation": "related graph relational",
}
_LOSSES: Final = {
    "simclr": "ntxent info_nce nt_xent_loss info_nce_loss contrastive",
    "supcon": "supervised_contrastive sup_con_loss",
    "barlow": "barlow_twins",
    "wmse": "whitening whitening_mse",
    "xclr": "x_sample x_sample_contrastive",
    "spectral": "spectral_contrastive",
    "laplacian": "eigenmaps laplacian_eigenmaps",
    "projection": "least_squares",
    "simdino": "simdinov2",
    "sigmoid": "siglip siglip_loss sigmoid_contrastive pairwise_sigmoid",
}


def _names(table: dict[str, str]) -> dict[str, str]:
    return {folded(other): name for name, others in table.items() for other in others.split()}


SETTINGS: Final = _names(_SETTINGS)
"""Another name, folded -> the setting as `--set` takes it, some with the value that is meant."""

OPTIONS: Final = _names(_OPTIONS)
"""Another name, folded -> the option of the command line."""

VALUES: Final = _names(_VALUES)
"""Another name, folded -> the value of a setting that has a few."""

LOSSES: Final = _names(_LOSSES)
"""Another name, folded -> the loss."""
