# anpr-stream with GStreamer from Debian; CPU inference. Build: docker build -t anpr-stream .
FROM debian:12-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3 python3-venv python3-gi python3-cairo python3-gst-1.0 \
      gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 \
      gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
      gstreamer1.0-plugins-ugly gstreamer1.0-libav \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
COPY . /src
RUN python3 -m venv --system-site-packages /opt/anpr-stream \
 && /opt/anpr-stream/bin/pip install --no-cache-dir "/src[redis,nats,postgres]"

FROM base
COPY --from=build /opt/anpr-stream /opt/anpr-stream
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/anpr-stream anpr-stream
ENV PATH=/opt/anpr-stream/bin:$PATH \
    MALLOC_ARENA_MAX=2 \
    STATE_DIRECTORY=/var/lib/anpr-stream \
    RUNTIME_DIRECTORY=/var/lib/anpr-stream \
    XDG_CACHE_HOME=/var/lib/anpr-stream/cache
USER anpr-stream
VOLUME /var/lib/anpr-stream
EXPOSE 8480
STOPSIGNAL SIGTERM
# The exit code says whether anything is wrong, as `anpr-stream status` tells it.
HEALTHCHECK --start-period=120s --interval=30s CMD ["anpr-stream", "status"]
ENTRYPOINT ["anpr-stream"]
CMD ["serve", "-c", "/etc/anpr-stream/config.yaml"]
