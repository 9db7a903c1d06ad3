"""A picture that stands still is told from one in which something moves, through noise and exposure."""

import cv2
import numpy as np
import pytest

from anpr_stream.tracking.stillness import Stillness

FPS = 15
SCENE = cv2.resize(np.random.default_rng(1).integers(60, 180, (9, 16), np.uint8), (960, 540))


class Camera:
    """Shows the scene with whatever is drawn into it, and keeps what is said of each picture."""

    def __init__(self, noise=0.0):
        self.rng = np.random.default_rng(2)
        self.noise = noise
        self.stillness = Stillness(after_s=2.0)
        self.index = 0

    def show(self, seconds, draw=lambda picture, second: None):
        said = []
        for _ in range(round(seconds * FPS)):
            picture = SCENE.copy()
            draw(picture, self.index / FPS)
            if self.noise:
                picture = cv2.add(picture, self.rng.normal(0, self.noise, SCENE.shape), dtype=cv2.CV_8U)
            said.append(self.stillness.update(self.index / FPS, picture))
            self.index += 1
        return said


@pytest.mark.parametrize("noise", [0, 3, 10])
def test_an_empty_scene_is_still_after_a_while(noise):
    said = Camera(noise).show(6)
    assert not any(said[: 2 * FPS])
    assert all(said[2 * FPS + 1 :])


@pytest.mark.parametrize(("size", "speed"), [((80, 60), 60), ((40, 30), 20), ((200, 120), 200)])
def test_a_car_wakes_it_at_once_and_keeps_it_awake(size, speed):
    camera = Camera(noise=3)
    camera.show(4)

    def drive(picture, second):
        x = round(100 + speed * (second - 4))
        picture[300 : 300 + size[1], x : x + size[0]] = 230

    assert not any(camera.show(3, drive))


def test_a_parked_car_is_still_two_seconds_after_it_stopped():
    camera = Camera(noise=3)
    camera.show(4)
    said = camera.show(6, lambda picture, second: cv2.rectangle(picture, (100, 300), (200, 360), 230, -1))
    assert not any(said[: 2 * FPS])
    assert all(said[3 * FPS :])


def test_another_exposure_is_no_movement():
    camera = Camera(noise=3)
    camera.show(4)
    assert all(camera.show(3, lambda picture, second: cv2.add(picture, 12, dst=picture)))


def test_a_clock_in_the_picture_stops_counting():
    camera = Camera(noise=3)

    def clock(picture, second):
        cv2.putText(picture, f"{int(second) % 10}", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3)

    assert np.mean(camera.show(5, clock)) < 0.5
    camera.show(85, clock)
    assert np.mean(camera.show(10, clock)) > 0.9


def test_traffic_does_not_wear_off():
    camera = Camera(noise=3)

    def traffic(picture, second):
        x = round(300 * second) % 1200
        picture[300:360, x : x + 100] = 230

    camera.show(90, traffic)
    assert not any(camera.show(5, traffic))


def test_a_break_in_time_and_another_size_count_as_movement():
    stillness = Stillness(after_s=2.0)
    for index in range(90):
        stillness.update(index / FPS, SCENE)
    assert stillness.update(6.0, SCENE)
    assert not stillness.update(20.0, SCENE)
    for index in range(90):
        stillness.update(20 + index / FPS, SCENE)
    assert stillness.update(26.0, SCENE)
    assert not stillness.update(26.1, SCENE[:, :480])
