"""Pure picture arithmetic: geometry, letterbox, YOLO and CTC decoding, crops."""
