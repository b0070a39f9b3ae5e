"""The real process is killed with SIGKILL at every durable step, started again, and must end where an undisturbed one ends."""
