# Two targets, cpu and gpu. Both hold the same torch: PyPI's build for CUDA, which runs on a CPU too,
# and whose CUDA libraries make most of the image's size. They differ in what they ask for at run
# time: gpu insists on an NVIDIA card and says so if there is none; cpu never looks for one.

FROM python:3.11.13-slim-bookworm AS environment
RUN python -m venv /opt/akin
ENV PATH=/opt/akin/bin:$PATH
COPY requirements-image.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --require-hashes -r /tmp/requirements.txt

FROM python:3.11.13-slim-bookworm AS akin
ENV PATH=/opt/akin/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=PASSIVE
# The folders are Akin's, and so are volumes made from them. Fetched weights are kept in /models.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /models akin \
    && install -d -o akin -g akin /app /blobs /models /training
WORKDIR /app
COPY --from=environment /opt/akin /opt/akin
COPY LICENSE ./
COPY backend ./backend
COPY migrations ./migrations
COPY ui ./ui
COPY workers ./workers
RUN python -m compileall -q backend migrations ui workers \
    && printf '#!/bin/sh\nexec python -m backend.cli "$@"\n' > /usr/local/bin/akin \
    && chmod 755 /usr/local/bin/akin
USER 10001:10001
CMD ["akin", "up", "--no-ui"]

FROM akin AS cpu
ENV AKIN_DEVICE=cpu

FROM akin AS gpu
ENV AKIN_DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
