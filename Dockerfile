# The product without its tests; runs as a user that owns nothing but /data.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    DATA_DIR=/data STATIC_ROOT=/app/staticfiles
WORKDIR /app
COPY requirements.txt .
RUN pip install --disable-pip-version-check --require-hashes -r requirements.txt
COPY . .
# Collecting needs settings, not keys: these values are for this one step and stay in no layer.
RUN DJANGO_SETTINGS_MODULE=config.settings.local SECRET_KEY=for-the-build FERNET_KEYS=for-the-build \
    python manage.py collectstatic --noinput --verbosity 0 \
 && useradd --system --uid 10001 rolecall && install -d -o rolecall /data
USER rolecall
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--config", "python:config.gunicorn", "--bind", "0.0.0.0:8000", "--threads", "8"]
