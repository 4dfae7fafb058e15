"""Settings. Everything an operator may change comes from the environment; docs/operations.md lists it."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF

from pushadmin import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.text("PUSHADMIN_VAR") or BASE_DIR / "var")

SECRET_KEY = env.secret_key(VAR)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
ENCRYPTION_KEYS = env.encryption_keys(VAR)
DEBUG = env.flag("DEBUG")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS")  # the dashboard is reached over https: cookies are bound to it
INSECURE_HTTP = env.flag("INSECURE_HTTP")  # an operator says that plain http is meant, on a network of their own

# host:port of the emulator, or nothing. Only this exact pair passes the address rules beside the services' own hosts.
EMULATOR = env.text("PUSHADMIN_EMULATOR")
# The same of its door with TLS, and the file (PEM) of the authority that vouches for it: for it, and for nobody else.
EMULATOR_TLS = env.text("PUSHADMIN_EMULATOR_TLS")
EMULATOR_AUTHORITY = env.text("PUSHADMIN_EMULATOR_AUTHORITY") or str(VAR / "emulator" / "authority.pem")

# Pushes on the wire per sender, and how many senders work at once on this machine.
PUSH_CONCURRENCY = env.number("PUSH_CONCURRENCY", 64)
DATABASES = {"default": env.database(VAR)}
SENDERS = env.number("SENDERS", 1 if "sqlite" in DATABASES["default"]["ENGINE"] else 2)
# Days that single deliveries of ended campaigns are kept; 0 keeps them for ever. Totals always stay.
WORKERS = env.number("WORKERS", 1)  # machines that should run a worker: with fewer, /readyz is not ready
RETENTION_DAYS = env.number("RETENTION_DAYS", 0)
# Calls of the registration API a minute, from one address and with one key.
LARGEST_IMPORT = env.number("LARGEST_IMPORT_MB", 200) * 1024 * 1024  # bytes of a list of devices
REGISTRATIONS_PER_ADDRESS = env.number("REGISTRATIONS_PER_ADDRESS", 300)
REGISTRATIONS_PER_KEY = env.number("REGISTRATIONS_PER_KEY", 6000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "pushadmin.apps.PushAdminConfig",
    "campaigns.apps.CampaignsConfig",
    "devices.apps.DevicesConfig",
    "pushadmin.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "pushadmin.apps.AccountTables",
    "allauth.mfa",
    "django_q",
    "ninja",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "pushadmin.middleware.PermissionsPolicy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pushadmin.middleware.Health",
    "devices.browsers.cors.Cors",
    "devices.api.OnlyJson",
    "devices.api.CallLimit",
    "pushadmin.bodies.BodyLimit",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "pushadmin.urls"
WSGI_APPLICATION = "pushadmin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pushadmin.context.site",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_RESET_TIMEOUT = 3600  # seconds a one-time sign-in link stays valid
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie beside the two that are bound
LOGIN_URL = "admin:login"
# Who must have a second factor: "superusers", "everybody", or names of groups.
SECOND_FACTOR_REQUIRED = env.words("SECOND_FACTOR_REQUIRED")
MFA_ADAPTER = "pushadmin.second_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds that a telephone's clock may be wrong
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = VAR / "media"
FILE_UPLOAD_TEMP_DIR = None

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# "__Host-": the browser itself keeps the cookie to this host, to https and to the whole site (RFC 6265bis 4.1.3.2).
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 365 * 24 * 3600) if HTTPS else 0
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
NINJA_NUM_PROXIES = 1 if env.flag("BEHIND_PROXY") else 0
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000

# Why each of these: docs/decisions.md, "django-q2 rings, the database remembers".
Q_CLUSTER = {
    "name": "push",
    "label": "Jobs",
    "orm": "default",
    "workers": SENDERS,
    "queue_limit": SENDERS,
    "bulk": 1,
    "timeout": 120,
    "retry": 300,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.2,
    "recycle": 500,
    "guard_cycle": 1,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "pushadmin.logs.Line"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "filters": {"refusals": {"()": "pushadmin.logs.Refusals"}},
    "loggers": {
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django.request": {"filters": ["refusals"]},
    },
}
