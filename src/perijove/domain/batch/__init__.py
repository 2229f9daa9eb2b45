"""Jobs of batch systems (Slurm, PBS …) as data: what is asked for, where a job stands, what is believed of it. Nothing here asks anybody."""
