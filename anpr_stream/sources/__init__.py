"""Where frames come from: GStreamer files, cameras and pictures."""
