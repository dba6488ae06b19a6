"""The way out: checkpoints published, cosigned and time-stamped, tiles, bundles, dossiers."""
