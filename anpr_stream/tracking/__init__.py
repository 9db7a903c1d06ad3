"""From detections to visits: Kalman tracks, fusion of reads, visits, zones."""
