"""Scripts for data, training, export and measurement; they import anpr_stream, never the other way round."""
