"""What stands between two threads: a bounded queue for recordings, a newest-wins slot for cameras.

Either side may close; the other one notices at once, so that no thread waits for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The other side has closed the queue."""


class Channel(Generic[Item]):
    """A bounded queue: nothing is lost, a full one makes the sender wait."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._is_closed = False

    def put(self, item: Item) -> None:
        """Add an item; waits while the queue is full.

        Raises:
            Closed: the queue was closed; the item was not taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._items) < self._limit)
            if self._is_closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more items; those inside can still be taken out."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Close and throw away what is inside: the receiver has gone."""
        with self._changed:
            self._items.clear()
        self.close()

    def __len__(self) -> int:
        """Return the number of items inside."""
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """Yield items in order until the queue is closed and empty."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._items)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


class Newest(Generic[Item]):
    """A slot for one item: a new one takes the place of one that was not taken in time."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._changed = Condition()
        self._is_closed = False

    def put(self, item: Item) -> bool:
        """Leave an item; never waits.

        Returns:
            False if an older item had to go for it.

        Raises:
            Closed: the slot was closed.
        """
        with self._changed:
            if self._is_closed:
                raise Closed
            was_free = self._item is None
            self._item = item
            self._changed.notify_all()
            return was_free

    def close(self) -> None:
        """Take no more items; the one inside can still be taken out."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def take(self, wait_s: float) -> Item | None:
        """Take the item out; None if none came in time.

        Raises:
            Closed: the slot is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._item is not None, wait_s)
            item, self._item = self._item, None
            if item is None and self._is_closed:
                raise Closed
            return item
