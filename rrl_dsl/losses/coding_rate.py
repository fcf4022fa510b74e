"""SimDINO: alignment with a teacher, and the coding rate in place of prototypes."""
