"""Drawn plates."""

import cv2
import numpy as np


def slanted_plate(slope, lean, size=(200, 50)):
    """A plate of `size` (width, height) whose lines go down by `slope` and whose characters lean by `lean`.

    Returns:
        The picture (H, W) uint8, dark around the plate, and the plate's corners in it (clockwise from its top
        left).
    """
    width, height = size
    plate = np.full((height, width), 230, np.uint8)
    cv2.rectangle(plate, (2, 2), (width - 3, height - 3), 30, 2)
    cv2.putText(plate, "HL 7142E", (14, height - 14), cv2.FONT_HERSHEY_SIMPLEX, height / 45, 20, 3)
    along, down = np.array([1, slope]) * width / 2, np.array([-lean, 1]) * height / 2
    middle = np.array([200, 150])
    corners = [middle - along - down, middle + along - down, middle + along + down, middle - along + down]
    quad = np.array(corners, np.float32)
    edges = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(edges - 0.5, quad - 0.5)
    street = np.full((300, 400), 70, np.uint8)
    return cv2.warpPerspective(plate, matrix, (400, 300), dst=street, borderMode=cv2.BORDER_TRANSPARENT), quad
