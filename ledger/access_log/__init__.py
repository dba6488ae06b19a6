"""The access log: who read which subject's data, kept on the log's own machinery in a log apart."""
