"""Settings of every process, read from the environment (`.env.example` documents each variable)."""

from pathlib import Path

from .env import (
    database_from_url,
    env_bool,
    env_int,
    env_list,
    env_secret,
    env_str,
    storage_from_url,
)
from .logs import configure_logging

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env_str("TANDEM_VAR", str(BASE_DIR / "var"))).resolve()

SECRET_KEY = env_secret("SECRET_KEY")
# Encrypt stored keys of providers: the first one encrypts, all decrypt; without any, SECRET_KEY.
SECRETS_KEYS = [key for key in env_secret("SECRETS_KEYS", default="").split(",") if key]
DEBUG = env_bool("DEBUG", default=False)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
HTTPS = env_bool("HTTPS", default=False)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "accounts",
    "jobs",
    "audit",
    "webhooks",
    "annotation",
    "training",
    "routing",
    "frontend",
]

MIDDLEWARE = [
    # First: on refusals, redirects and static files too.
    "core.middleware.content_security_policy",
    "core.middleware.private_pages",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.readable_text",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "core.middleware.request_log",
    "accounts.middleware.interface",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.middleware.application_errors",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": database_from_url(env_secret("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "frontend" / "locale"]
FORMAT_MODULE_PATH = ["frontend.formats"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    # Models, checkpoints and snapshots: shared by workers on several machines (core.artifacts).
    "artifacts": storage_from_url(env_str("ARTIFACTS_URL")),
}
MEDIA_ROOT = VAR_DIR / "artifacts"
DATA_UPLOAD_MAX_MEMORY_SIZE = env_int("UPLOAD_MAX_MB", 64) * 1024 * 1024
# Largest file handed in for import, and largest image, sound or film of a project, in bytes.
IMPORT_MAX_BYTES = env_int("IMPORT_MAX_MB", 2048) * 1024 * 1024
MEDIA_MAX_BYTES = env_int("MEDIA_MAX_MB", 100) * 1024 * 1024
# Folders whose files may be imported where they lie; whoever may import may read all of them.
IMPORT_ROOTS = [Path(root).resolve() for root in env_list("IMPORT_ROOTS")]
# Private places from which files may be fetched for import: hosts, addresses and networks.
IMPORT_PRIVATE_HOSTS = env_list("IMPORT_PRIVATE_HOSTS")
# Where data sets of the hub are, and a key that reads them for everybody who may import.
HF_ENDPOINT = env_str("HF_ENDPOINT", "https://huggingface.co")
IMPORT_HUB_TOKEN = env_secret("IMPORT_HUB_TOKEN", default="")
# Exports go to the Hub with this token where a request gives none.
HUB_PUSH_TOKEN = env_secret("HF_TOKEN", default="")
FILE_UPLOAD_HANDLERS = [
    "annotation.instances.receiving.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

SESSION_ENGINE = "accounts.sessions"
AUTHENTICATION_BACKENDS = ["accounts.sessions.Backend"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
# Proxies in front that add the address they were asked from; attempts are counted by it.
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)

# The longest that a program's access token lasts.
ACCESS_TOKEN_MAX_DAYS = env_int("ACCESS_TOKEN_MAX_DAYS", 365)
# Requests to the interface a minute by one person's tokens together, and as many by their session;
# 0 sets no limit.
API_REQUESTS_PER_MINUTE = env_int("API_REQUESTS_PER_MINUTE", 1200)
REST_FRAMEWORK = {
    # The first one says what a stranger is told to come with.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "config.schema.Schema",
    "EXCEPTION_HANDLER": "core.problems.exception_handler",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tandem",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "People and judges compare completions; rewards are trained on what they say.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["config.schema.finish"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_REQUEST": True,
}

CELERY_BROKER_URL = env_str("BROKER_URL", "redis://localhost:6379/0")
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A page must not hang on a broker that is down: the sweep rings again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1}
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "jobs.sweep", "schedule": env_int("JOBS_SWEEP_SECONDS", 15)},
    "consensus": {"task": "annotation.consensus.sweep", "schedule": 20},
    "schedules": {"task": "training.schedules", "schedule": 60},
    "rounds": {"task": "routing.continue_rounds", "schedule": 20},
    "live": {"task": "routing.live_tick", "schedule": 20},
    "budgets": {"task": "routing.look_after_budgets", "schedule": 60},
    "standing": {"task": "routing.compare_standing", "schedule": 300},
    "people": {"task": "annotation.look_after", "schedule": 60},
    "leases": {"task": "annotation.expire_leases", "schedule": 60},
    "webhooks": {"task": "webhooks.send", "schedule": 5},
    "webhooks-forget": {"task": "webhooks.forget", "schedule": 3600},
}

# A job's lease is renewed every third of this time; a silent one is taken back after it.
JOBS_LEASE_SECONDS = env_int("JOBS_LEASE_SECONDS", 30)
JOBS_CANCEL_GRACE_SECONDS = env_int("JOBS_CANCEL_GRACE_SECONDS", 20)
# Runs child jobs in the calling process; for a command line without workers, and for tests.
JOBS_INLINE = env_bool("JOBS_INLINE", default=False)
# CPU threads of one training process; 0 leaves the choice to torch.
TRAINING_THREADS = env_int("TRAINING_THREADS", 0)
# Base models are loaded from these folders and from nowhere else.
MODEL_ROOTS = [Path(root).resolve() for root in env_list("MODEL_ROOTS")] or [VAR_DIR / "models"]

# Scores over HTTP: how long a request waits, how many wait at once in a web process, when an idle
# model is unloaded, and how much memory loaded models may take together.
SERVE_WAIT_SECONDS = env_int("SERVE_WAIT_SECONDS", 30)
SERVE_THREADS = env_int("SERVE_THREADS", 3)
SERVE_IDLE_SECONDS = env_int("SERVE_IDLE_SECONDS", 600)
SERVE_MEMORY_MB = env_int("SERVE_MEMORY_MB", 4000)

# Programs that check completions (exact answers, patterns, unit tests), in a sandbox only.
VERIFIERS = env_bool("VERIFIERS", default=False)

# The OpenAI-compatible server that judges without a URL of their own ask; the key goes to it only.
JUDGE_BASE_URL = env_str("JUDGE_BASE_URL")
JUDGE_API_KEY = env_secret("JUDGE_API_KEY", default="")
# Private places at which connections of any project may be: hosts, addresses and networks.
JUDGE_PRIVATE_HOSTS = env_list("JUDGE_PRIVATE_HOSTS")
# Private places to which webhooks of any project may go, written the same way.
WEBHOOK_PRIVATE_HOSTS = env_list("WEBHOOK_PRIVATE_HOSTS")
# How often a batch at a provider is asked whether it has ended.
JUDGE_BATCH_POLL_SECONDS = env_int("JUDGE_BATCH_POLL_SECONDS", 20)
# Endpoints of arenas by name: the URL, and the key that goes to it only.
ARENA_ENDPOINTS = {
    name: (url, env_secret(f"ARENA_KEY_{name.upper().replace('-', '_')}", default=""))
    for name, _, url in (entry.partition("=") for entry in env_list("ARENA_ENDPOINTS"))
}

configure_logging(json=env_bool("LOG_JSON", default=not DEBUG), level=env_str("LOG_LEVEL", "INFO"))
LOGGING_CONFIG = None
