# The worker for model execution: the same code with the train extra. The pinned torch brings its
# own CUDA libraries; the host gives the driver (NVIDIA container toolkit).
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    TANDEM_VAR=/var/lib/tandem \
    HF_HOME=/var/lib/tandem/cache/huggingface

WORKDIR /app
COPY . .
RUN pip install -c requirements.lock -e ".[train,s3]" \
    && useradd --system --create-home tandem \
    && install -d -o tandem -g tandem /var/lib/tandem
USER tandem
VOLUME /var/lib/tandem
CMD ["celery", "-A", "config", "worker", "-Q", "gpu", "-c", "1", "--prefetch-multiplier=1"]
