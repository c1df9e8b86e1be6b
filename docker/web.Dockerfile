# Web, beat and the worker for short jobs. No torch: model execution is the GPU image's part.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    TANDEM_VAR=/var/lib/tandem

WORKDIR /app
COPY . .
RUN pip install -c requirements.lock -e ".[s3]" \
    && useradd --system --create-home tandem \
    && install -d -o tandem -g tandem /var/lib/tandem
USER tandem
VOLUME /var/lib/tandem
EXPOSE 8000
CMD ["gunicorn", "config.wsgi:application", "--bind", "0.0.0.0:8000"]
