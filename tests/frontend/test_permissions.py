"""Every route × role × own or other project, against the matrix below.

A route without a row fails. What a cell says:

    yes     the route does its work (also where it then refuses an empty form)
    login   redirected to the login page
    401     the API refuses who is not logged in (403 with sessions)
    403     a member whose role does not allow it
    404     no member, or no such project: the two look alike
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.factories import make_user

from .world import ROLES, World

pytestmark = pytest.mark.django_db

COLUMNS = ("anonymous", "outsider", *ROLES)
MATRIX = """
route               method  anonymous  outsider  annotator  reviewer  researcher  admin  owner
home                GET     login      yes       yes        yes       yes         yes    yes
login               GET     yes        yes       yes        yes       yes         yes    yes
logout              POST    yes        yes       yes        yes       yes         yes    yes
health              GET     login      yes       yes        yes       yes         yes    yes
project-new         GET     login      yes       yes        yes       yes         yes    yes
project-new         POST    login      yes       yes        yes       yes         yes    yes
project-preview     POST    login      yes       yes        yes       yes         yes    yes
language            POST    yes        yes       yes        yes       yes         yes    yes
preferences         GET     login      yes       yes        yes       yes         yes    yes
preferences         POST    login      yes       yes        yes       yes         yes    yes
tokens              GET     login      yes       yes        yes       yes         yes    yes
tokens              POST    login      yes       yes        yes       yes         yes    yes
token-revoke        POST    login      404       404        404       404         404    yes
api-docs            GET     yes        yes       yes        yes       yes         yes    yes
label               GET     login      404       yes        yes       yes         yes    yes
label-next          POST    login      404       yes        yes       yes         yes    yes
label-submit        POST    login      404       yes        yes       yes         yes    yes
label-undo          POST    login      404       yes        yes       yes         yes    yes
label-skip          POST    login      404       yes        yes       yes         yes    yes
label-draft         POST    login      404       yes        yes       yes         yes    yes
history             GET     login      404       yes        yes       yes         yes    yes
label-revise        GET     login      404       yes        yes       yes         yes    yes
guideline           GET     login      404       yes        yes       yes         yes    yes
project             GET     login      404       403        yes       yes         yes    yes
dashboard           GET     login      404       403        yes       yes         yes    yes
arena               GET     login      404       yes        yes       yes         yes    yes
arena-ask           POST    login      404       yes        yes       yes         yes    yes
arena-settings      GET     login      404       403        403       403         yes    yes
arena-save          POST    login      404       403        403       403         yes    yes
contestant-add      POST    login      404       403        403       403         yes    yes
contestant-act      POST    login      404       403        403       403         yes    yes
arena-battle        GET     login      404       yes        404       404         404    404
arena-continue      POST    login      404       yes        404       404         404    404
arena-vote          POST    login      404       yes        404       404         404    404
instances           GET     login      404       403        yes       yes         yes    yes
instance            GET     login      404       403        yes       yes         yes    yes
instance-tags       POST    login      404       403        yes       yes         yes    yes
tags                GET     login      404       403        yes       yes         yes    yes
tags-ask            POST    login      404       403        403       yes         yes    yes
upload              GET     login      404       403        403       yes         yes    yes
upload-file         POST    login      404       403        403       yes         yes    yes
upload-source       POST    login      404       403        403       yes         yes    yes
upload-look         GET     login      404       403        403       yes         yes    yes
upload-start        POST    login      404       403        403       yes         yes    yes
upload-report       GET     login      404       403        403       404         404    404
upload-errors       GET     login      404       403        403       404         404    404
media               GET     login      404       yes        yes       yes         yes    yes
send                POST    login      404       403        403       403         yes    yes
project-settings    GET     login      404       403        403       403         yes    yes
settings-save       POST    login      404       403        403       403         yes    yes
settings-criterion  POST    login      404       403        403       403         yes    yes
settings-state      POST    login      404       403        403       403         yes    yes
guideline-edit      GET     login      404       403        403       403         yes    yes
guideline-publish   POST    login      404       403        403       403         yes    yes
guideline-preview   POST    login      404       403        403       403         yes    yes
qualification-feedback GET  login      404       yes        yes       yes         yes    yes
quality             GET     login      404       403        yes       yes         yes    yes
quality-compute     POST    login      404       403        yes       yes         yes    yes
quality-method      POST    login      404       403        403       403         yes    yes
quality-groups      GET     login      404       403        yes       yes         yes    yes
quality-csv         GET     login      404       403        yes       yes         yes    yes
quality-annotator   GET     login      404       403        yes       yes         yes    yes
quality-exclude     POST    login      404       403        403       403         yes    yes
quality-admit       POST    login      404       403        403       403         yes    yes
generators          GET     login      404       403        yes       yes         yes    yes
generators-compute  POST    login      404       403        yes       yes         yes    yes
gold                GET     login      404       403        yes       yes         yes    yes
gold-find           POST    login      404       403        403       403         yes    yes
gold-question       POST    login      404       403        403       403         yes    yes
gold-set            GET     login      404       403        403       403         yes    yes
gold-set            POST    login      404       403        403       403         yes    yes
gold-promote        POST    login      404       403        403       403         yes    yes
gold-retire         POST    login      404       403        403       403         yes    yes
explain             GET     login      404       403        yes       yes         yes    yes
explain-compute     POST    login      404       403        yes       yes         yes    yes
explain-behind      GET     login      404       403        yes       yes         yes    yes
explain-download    GET     login      404       403        yes       yes         yes    yes
relabels            GET     login      404       403        yes       yes         yes    yes
relabel             POST    login      404       403        yes       yes         yes    yes
quality-pair        GET     login      404       403        yes       yes         yes    yes
review              GET     login      404       403        yes       yes         yes    yes
review-instance     GET     login      404       403        yes       yes         yes    yes
review-submit       POST    login      404       403        yes       yes         yes    yes
review-remark       POST    login      404       403        yes       yes         yes    yes
review-annotator    GET     login      404       403        yes       yes         yes    yes
judges              GET     login      404       403        yes       yes         yes    yes
judge               GET     login      404       403        yes       yes         yes    yes
judge-matrix        GET     login      404       403        yes       yes         yes    yes
judge-panel         GET     login      404       403        yes       yes         yes    yes
judge-panel-behind  GET     login      404       403        yes       yes         yes    yes
judge-report        GET     login      404       403        yes       yes         yes    yes
judge-behind        GET     login      404       403        yes       yes         yes    yes
judge-report-compute POST   login      404       403        yes       yes         yes    yes
judge-call          GET     login      404       403        yes       yes         yes    yes
judge-new           GET     login      404       403        403       yes         yes    yes
judge-new           POST    login      404       403        403       yes         yes    yes
connections         GET     login      404       403        403       403         yes    yes
connection-new      GET     login      404       403        403       403         yes    yes
connection-new      POST    login      404       403        403       403         yes    yes
connection          GET     login      404       403        403       403         yes    yes
connection          POST    login      404       403        403       403         yes    yes
connection-test     POST    login      404       403        403       403         yes    yes
connection-delete   POST    login      404       403        403       403         yes    yes
judge-prices        POST    login      404       403        403       yes         yes    yes
judge-stage         POST    login      404       403        403       403         yes    yes
judge-ask           GET     login      404       403        403       yes         yes    yes
judge-ask           POST    login      404       403        403       yes         yes    yes
judge-run           GET     login      404       403        yes       yes         yes    yes
judge-run-cancel    POST    login      404       403        403       yes         yes    yes
prompts             GET     login      404       403        yes       yes         yes    yes
prompt              GET     login      404       403        yes       yes         yes    yes
prompt-draft        GET     login      404       403        403       yes         yes    yes
prompt-save         POST    login      404       403        403       yes         yes    yes
prompt-preview      POST    login      404       403        403       yes         yes    yes
prompt-try          POST    login      404       403        403       yes         yes    yes
trials-compare      GET     login      404       403        yes       yes         yes    yes
trial               GET     login      404       403        yes       yes         yes    yes
trial-disagreements GET     login      404       403        yes       yes         yes    yes
trial-promotion     GET     login      404       403        403       403         yes    yes
trial-promote       POST    login      404       403        403       403         yes    yes
trial-injection     POST    login      404       403        403       yes         yes    yes
mining              GET     login      404       403        yes       yes         yes    yes
mining-start        POST    login      404       403        403       yes         yes    yes
mining-result       GET     login      404       403        yes       yes         yes    yes
mining-accept       POST    login      404       403        403       yes         yes    yes
routing             GET     login      404       403        403       yes         yes    yes
features            GET     login      404       403        403       yes         yes    yes
features-compute    POST    login      404       403        403       yes         yes    yes
frontier            GET     login      404       403        403       yes         yes    yes
frontier-prepare    POST    login      404       403        403       yes         yes    yes
frontier-save       POST    login      404       403        403       403         yes    yes
router              GET     login      404       403        403       yes         yes    yes
router-version      GET     login      404       403        403       yes         yes    yes
router-behind       GET     login      404       403        403       yes         yes    yes
router-proxies      POST    login      404       403        403       yes         yes    yes
replays             GET     login      404       403        403       yes         yes    yes
replay-start        POST    login      404       403        403       yes         yes    yes
replay              GET     login      404       403        403       yes         yes    yes
replay-download     GET     login      404       403        403       yes         yes    yes
routing-live        GET     login      404       403        403       yes         yes    yes
routing-live        POST    login      404       403        403       403         yes    yes
routing-live-start  POST    login      404       403        403       403         yes    yes
routing-live-pause  POST    login      404       403        403       403         yes    yes
routing-rules       GET     login      404       403        403       yes         yes    yes
routing-rules       POST    login      404       403        403       403         yes    yes
routing-decisions   GET     login      404       403        403       yes         yes    yes
budgets             GET     login      404       403        403       yes         yes    yes
budget-new          POST    login      404       403        403       403         yes    yes
budget-change       POST    login      404       403        403       403         yes    yes
budget-end          POST    login      404       403        403       403         yes    yes
budget-alerts-seen  POST    login      404       403        403       403         yes    yes
rounds              GET     login      404       403        403       yes         yes    yes
round-online        POST    login      404       403        403       403         yes    yes
round-start         POST    login      404       403        403       403         yes    yes
round               GET     login      404       403        403       yes         yes    yes
round-continue      POST    login      404       403        403       403         yes    yes
runs                GET     login      404       403        403       yes         yes    yes
run-new             GET     login      404       403        403       yes         yes    yes
run-estimate        POST    login      404       403        403       yes         yes    yes
run-start           POST    login      404       403        403       yes         yes    yes
run                 GET     login      404       403        403       yes         yes    yes
run-download        GET     login      404       403        403       yes         yes    yes
run-cancel          POST    login      404       403        403       yes         yes    yes
runs-compare        GET     login      404       403        403       yes         yes    yes
schedules           GET     login      404       403        403       yes         yes    yes
schedule-set        POST    login      404       403        403       yes         yes    yes
schedule-remove     POST    login      404       403        403       404         404    404
models              GET     login      404       403        403       yes         yes    yes
model               GET     login      404       403        403       yes         yes    yes
model-stage         POST    login      404       403        403       yes         yes    yes
model-evaluate      POST    login      404       403        403       yes         yes    yes
model-people        POST    login      404       403        403       yes         yes    yes
model-write-back    POST    login      404       403        403       yes         yes    yes
model-relabel       POST    login      404       403        403       yes         yes    yes
model-gate          GET     login      404       403        403       yes         yes    yes
model-gate          POST    login      404       403        403       403         yes    yes
model-win-rate      POST    login      404       403        403       yes         yes    yes
run-resume          POST    login      404       403        403       yes         yes    yes
data                GET     login      404       403        403       yes         yes    yes
snapshot-build      POST    login      404       403        403       yes         yes    yes
snapshot-new        GET     login      404       403        403       yes         yes    yes
snapshot-count      POST    login      404       403        403       yes         yes    yes
snapshot            GET     login      404       403        403       yes         yes    yes
snapshot-card       GET     login      404       403        403       yes         yes    yes
snapshot-diff       GET     login      404       403        403       yes         yes    yes
export-make         POST    login      404       403        403       yes         yes    yes
exports             GET     login      404       403        403       yes         yes    yes
export-new          POST    login      404       403        403       yes         yes    yes
export-download     GET     login      404       403        403       yes         yes    yes
export-file         GET     login      404       403        403       yes         yes    yes
export-push         POST    login      404       403        403       yes         yes    yes
jobs                GET     login      404       403        403       yes         yes    yes
job                 GET     login      404       403        403       yes         yes    yes
job-cancel          POST    login      404       403        403       yes         yes    yes
people              GET     login      404       403        yes       yes         yes    yes
person              GET     login      404       403        yes       yes         yes    yes
person-role         POST    login      404       403        403       403         yes    yes
person-work         POST    login      404       403        403       403         yes    yes
person-release      POST    login      404       403        403       403         yes    yes
person-remove       POST    login      404       403        403       403         yes    yes
bonus-add           POST    login      404       403        403       403         yes    yes
invitation-create   POST    login      404       403        403       403         yes    yes
invitation-revoke   POST    login      404       403        403       403         yes    yes
studies             GET     login      404       403        yes       yes         yes    yes
study-create        POST    login      404       403        403       403         yes    yes
study               GET     login      404       403        yes       yes         yes    yes
study-state         POST    login      404       403        403       403         yes    yes
study-link          POST    login      404       403        403       403         yes    yes
payments            GET     login      404       403        403       403         yes    yes
earnings-derive     POST    login      404       403        403       403         yes    yes
rate-add            POST    login      404       403        403       403         yes    yes
payout-approve      POST    login      404       403        403       403         yes    yes
payout-paid         POST    login      404       403        403       403         yes    yes
payout-withdraw     POST    login      404       403        403       403         yes    yes
payout-csv          GET     login      404       403        403       403         yes    yes
earnings            GET     login      404       yes        yes       yes         yes    yes
leaderboard         GET     login      404       yes        yes       yes         yes    yes
leaderboard-choose  POST    login      404       yes        yes       yes         yes    yes
join                GET     404        404       404        404       404         404    404
join-accept         POST    404        404       404        404       404         404    404
study-entry         GET     yes        yes       yes        yes       yes         yes    yes
study-welcome       GET     404        404       404        404       404         404    404
study-enter         POST    404        404       404        404       404         404    404
study-ready         GET     login      404       404        404       404         404    404
study-finish        GET     login      404       404        404       404         404    404
study-complete      POST    login      404       404        404       404         404    404
study-stop          POST    login      404       404        404       404         404    404
api:schema          GET     yes        yes       yes        yes       yes         yes    yes
api:me              GET     401        yes       yes        yes       yes         yes    yes
api:tokens          GET     401        yes       yes        yes       yes         yes    yes
api:tokens          POST    401        yes       yes        yes       yes         yes    yes
api:token           GET     401        404       404        404       404         404    yes
api:job-list        GET     401        404       403        403       yes         yes    yes
api:job-detail      GET     401        404       403        403       yes         yes    yes
api:job-cancel      POST    401        404       403        403       yes         yes    yes
api:instance-list   GET     401        404       403        yes       yes         yes    yes
api:instance-list   POST    401        404       403        403       yes         yes    yes
api:instance        GET     401        404       403        yes       yes         yes    yes
api:progress        GET     401        404       403        403       yes         yes    yes
api:import          POST    401        404       403        403       yes         yes    yes
api:import-preview  POST    401        404       403        403       yes         yes    yes
api:snapshot-list   GET     401        404       403        403       yes         yes    yes
api:snapshot-list   POST    401        404       403        403       yes         yes    yes
api:snapshot-counts POST    401        404       403        403       yes         yes    yes
api:snapshot-detail GET     401        404       403        403       yes         yes    yes
api:snapshot-difference GET     401        404       403        403       yes         yes    yes
api:export-list     GET     401        404       403        403       yes         yes    yes
api:export-list     POST    401        404       403        403       yes         yes    yes
api:export          GET     401        404       403        403       yes         yes    yes
api:export-archive  GET     401        404       403        403       yes         yes    yes
api:export-push     POST    401        404       403        403       yes         yes    yes
api:export-file     GET     401        404       403        403       yes         yes    yes
api:explanation-list   GET  401        404       403        yes       yes         yes    yes
api:explanation-list   POST 401        404       403        yes       yes         yes    yes
api:explanation-detail GET  401        404       403        yes       yes         yes    yes
api:explanation-download GET 401       404       403        yes       yes         yes    yes
webhooks            GET     login      404       403        403       403         yes    yes
webhooks            POST    login      404       403        403       403         yes    yes
webhook             GET     login      404       403        403       403         yes    yes
webhook-change      POST    login      404       403        403       403         yes    yes
webhook-act         POST    login      404       403        403       403         yes    yes
webhook-replay      POST    login      404       403        403       403         yes    yes
api:webhooks        GET     401        404       403        403       403         yes    yes
api:webhooks        POST    401        404       403        403       403         yes    yes
api:webhook         GET     401        404       403        403       403         yes    yes
api:webhook         PATCH   401        404       403        403       403         yes    yes
api:webhook-secret  POST    401        404       403        403       403         yes    yes
api:webhook-test    POST    401        404       403        403       403         yes    yes
api:webhook-replay  POST    401        404       403        403       403         yes    yes
api:webhook-deliveries GET  401        404       403        403       403         yes    yes
api:webhook-delivery-replay POST 401   404       403        403       403         yes    yes
api:runs            GET     401        404       403        403       yes         yes    yes
api:runs            POST    401        404       403        403       yes         yes    yes
api:run             GET     401        404       403        403       yes         yes    yes
api:run-check       POST    401        404       403        403       yes         yes    yes
api:schedules       GET     401        404       403        403       yes         yes    yes
api:schedule        DELETE  401        404       403        403       404         404    404
api:model-files     GET     401        404       403        403       yes         yes    yes
api:gate            GET     401        404       403        403       yes         yes    yes
api:probes          GET     401        404       403        403       yes         yes    yes
api:model-promote   POST    401        404       403        403       yes         yes    yes
api:model-evaluations  GET  401        404       403        403       yes         yes    yes
api:model-comparisons  POST 401        404       403        403       yes         yes    yes
api:model-comparison   POST 401        404       403        403       yes         yes    yes
api:model-score     POST    401        404       403        403       yes         yes    yes
api:model-rerank    POST    401        404       403        403       yes         yes    yes
api:model-write-back   POST 401        404       403        403       yes         yes    yes
api:write-back      GET     401        404       403        403       yes         yes    yes
api:run-cancel      POST    401        404       403        403       yes         yes    yes
api:run-resume      POST    401        404       403        403       yes         yes    yes
api:templates       GET     401        yes       yes        yes       yes         yes    yes
api:projects        GET     401        yes       yes        yes       yes         yes    yes
api:projects        POST    401        yes       yes        yes       yes         yes    yes
api:project         GET     401        404       403        yes       yes         yes    yes
api:project         PATCH   401        404       403        403       403         yes    yes
api:criteria        GET     401        404       403        yes       yes         yes    yes
api:criteria        POST    401        404       403        403       403         yes    yes
api:criterion       PATCH   401        404       403        403       403         yes    yes
api:criterion       DELETE  401        404       403        403       403         yes    yes
api:guidelines      GET     401        404       403        yes       yes         yes    yes
api:guidelines      POST    401        404       403        403       403         yes    yes
api:guideline       GET     401        404       yes        yes       yes         yes    yes
api:members         GET     401        404       403        yes       yes         yes    yes
api:member          GET     401        404       403        yes       yes         yes    yes
api:member          PATCH   401        404       403        403       403         yes    yes
api:member-release  POST    401        404       403        403       403         yes    yes
api:invitations     GET     401        404       403        yes       yes         yes    yes
api:invitations     POST    401        404       403        403       403         yes    yes
api:invitation-revoke  POST 401        404       403        403       403         yes    yes
api:connections     GET     401        404       403        403       403         yes    yes
api:connections     POST    401        404       403        403       403         yes    yes
api:connection      GET     401        404       403        403       403         yes    yes
api:connection      PATCH   401        404       403        403       403         yes    yes
api:connection      DELETE  401        404       403        403       403         yes    yes
api:connection-test POST    401        404       403        403       403         yes    yes
api:judges          GET     401        404       403        yes       yes         yes    yes
api:judges          POST    401        404       403        403       yes         yes    yes
api:judge           GET     401        404       403        yes       yes         yes    yes
api:judge           PATCH   401        404       403        403       yes         yes    yes
api:judge-ask       POST    401        404       403        403       yes         yes    yes
api:judge-estimate  POST    401        404       403        403       yes         yes    yes
api:judge-runs      GET     401        404       403        yes       yes         yes    yes
api:judge-calls     GET     401        404       403        yes       yes         yes    yes
api:judge-run       GET     401        404       403        yes       yes         yes    yes
api:judge-run-cancel   POST 401        404       403        403       yes         yes    yes
api:judge-call      GET     401        404       403        yes       yes         yes    yes
api:routing-live    GET     401        404       403        403       yes         yes    yes
api:routing-decisions GET     401        404       403        403       yes         yes    yes
api:routing-strategies GET     401        404       403        403       yes         yes    yes
api:routing-rules   GET     401        404       403        403       yes         yes    yes
api:routing-rule-versions GET     401        404       403        403       yes         yes    yes
api:budgets         GET     401        404       403        403       yes         yes    yes
api:budget          GET     401        404       403        403       yes         yes    yes
api:budget-spending GET     401        404       403        403       yes         yes    yes
api:budget-alerts   GET     401        404       403        403       yes         yes    yes
api:purses          GET     401        404       403        403       yes         yes    yes
api:routers         GET     401        404       403        403       yes         yes    yes
api:router          GET     401        404       403        403       yes         yes    yes
api:frontier        GET     401        404       403        403       404         404    404
api:features        GET     401        404       403        403       yes         yes    yes
api:replays         GET     401        404       403        403       yes         yes    yes
api:replay          GET     401        404       403        403       yes         yes    yes
api:rounds          GET     401        404       403        403       yes         yes    yes
api:round           GET     401        404       403        403       yes         yes    yes
api:routing-live    PATCH   401        404       403        403       403         yes    yes
api:routing-live-start POST    401        404       403        403       403         yes    yes
api:routing-live-pause POST    401        404       403        403       403         yes    yes
api:routing-rules   PUT     401        404       403        403       403         yes    yes
api:routing-rules-preview POST    401        404       403        403       403         yes    yes
api:budgets         POST    401        404       403        403       403         yes    yes
api:budget          PATCH   401        404       403        403       403         yes    yes
api:budget-end      POST    401        404       403        403       403         yes    yes
api:budget-alerts-seen POST    401        404       403        403       403         yes    yes
api:frontier-save   POST    401        404       403        403       403         yes    yes
api:rounds          POST    401        404       403        403       403         yes    yes
api:round-continue  POST    401        404       403        403       403         yes    yes
api:router-proxies  POST    401        404       403        403       yes         yes    yes
api:frontier-prepare POST    401        404       403        403       yes         yes    yes
api:features-compute POST    401        404       403        403       yes         yes    yes
api:replays         POST    401        404       403        403       yes         yes    yes
api:router-behind   GET     401        404       403        403       yes         yes    yes
api:label-next      POST    401        404       yes        yes       yes         yes    yes
api:label-undo      POST    401        404       yes        yes       yes         yes    yes
api:label-history   GET     401        404       yes        yes       yes         yes    yes
api:label-progress  GET     401        404       yes        yes       yes         yes    yes
api:label-submit    POST    401        404       yes        yes       yes         yes    yes
api:label-revise    POST    401        404       yes        yes       yes         yes    yes
api:label-skip      POST    401        404       yes        yes       yes         yes    yes
api:label-slot      GET     401        404       404        404       404         404    404
api:label-draft     PUT     401        404       404        404       404         404    404
api:annotations     GET     401        404       403        yes       yes         yes    yes
api:annotators      GET     401        404       403        yes       yes         yes    yes
api:annotator       GET     401        404       403        yes       yes         yes    yes
api:consensus       GET     401        404       403        yes       yes         yes    yes
api:consensus-method GET     401        404       403        yes       yes         yes    yes
api:consensus-method PUT     401        404       403        403       403         yes    yes
api:generators      GET     401        404       403        yes       yes         yes    yes
api:generators      POST    401        404       403        yes       yes         yes    yes
api:quality         GET     401        404       403        yes       yes         yes    yes
api:quality         POST    401        404       403        yes       yes         yes    yes
api:annotator-pair  GET     401        404       403        yes       yes         yes    yes
api:annotator-exclude POST    401        404       403        403       403         yes    yes
api:annotator-include POST    401        404       403        403       403         yes    yes
api:annotator-admit POST    401        404       403        403       403         yes    yes
api:gold            GET     401        404       403        yes       yes         yes    yes
api:gold            POST    401        404       403        403       403         yes    yes
api:gold-promote    POST    401        404       403        403       403         yes    yes
api:gold-doubt      POST    401        404       403        403       403         yes    yes
api:gold-accept     POST    401        404       403        403       403         yes    yes
api:gold-retire     POST    401        404       403        403       403         yes    yes
api:relabels        GET     401        404       403        yes       yes         yes    yes
api:relabels        POST    401        404       403        yes       yes         yes    yes
api:review          GET     401        404       403        yes       yes         yes    yes
api:review-remark   POST    401        404       403        yes       yes         yes    yes
api:review-instance GET     401        404       403        yes       yes         yes    yes
api:review-submit   POST    401        404       403        yes       yes         yes    yes
api:review-accept   POST    401        404       403        yes       yes         yes    yes
api:annotator-check GET     401        404       403        yes       yes         yes    yes
api:label-notes     GET     401        404       yes        yes       yes         yes    yes
api:tags            GET     401        404       403        yes       yes         yes    yes
api:tags-ask        POST    401        404       403        403       yes         yes    yes
api:tags-estimate   POST    401        404       403        403       yes         yes    yes
api:instance-tags   GET     401        404       403        yes       yes         yes    yes
api:instance-tags   PATCH   401        404       403        yes       yes         yes    yes
api:studies         GET     401        404       403        yes       yes         yes    yes
api:studies         POST    401        404       403        403       403         yes    yes
api:study           GET     401        404       403        yes       yes         yes    yes
api:study           PATCH   401        404       403        403       403         yes    yes
api:study-link      POST    401        404       403        403       403         yes    yes
api:study-participations GET     401        404       403        yes       yes         yes    yes
api:owed            GET     401        404       403        403       403         yes    yes
api:earnings-derive POST    401        404       403        403       403         yes    yes
api:rates           GET     401        404       403        403       403         yes    yes
api:rates           POST    401        404       403        403       403         yes    yes
api:member-bonus    POST    401        404       403        403       403         yes    yes
api:payouts         GET     401        404       403        403       403         yes    yes
api:payouts         POST    401        404       403        403       403         yes    yes
api:payout-rows     GET     401        404       403        403       403         yes    yes
api:payout-paid     POST    401        404       403        403       403         yes    yes
api:payout-withdraw POST    401        404       403        403       403         yes    yes
api:earnings        GET     401        404       yes        yes       yes         yes    yes
api:arena           GET     401        404       403        403       403         yes    yes
api:arena           PATCH   401        404       403        403       403         yes    yes
api:contestants     GET     401        404       403        403       403         yes    yes
api:contestants     POST    401        404       403        403       403         yes    yes
api:contestant      POST    401        404       403        403       403         yes    yes
api:battles         POST    401        404       yes        yes       yes         yes    yes
api:battle          GET     401        404       yes        404       404         404    404
api:battle-continue POST    401        404       yes        404       404         404    404
api:battle-vote     POST    401        404       yes        404       404         404    404
api:judge-report    GET     401        404       403        yes       yes         yes    yes
api:judge-report    POST    401        404       403        yes       yes         yes    yes
api:dashboard       GET     401        404       403        yes       yes         yes    yes
api:prompts         GET     401        404       403        yes       yes         yes    yes
api:prompts         POST    401        404       403        403       yes         yes    yes
api:prompt          GET     401        404       403        yes       yes         yes    yes
api:prompt-version  POST    401        404       403        403       yes         yes    yes
api:prompt-try      POST    401        404       403        403       yes         yes    yes
api:trials          GET     401        404       403        yes       yes         yes    yes
api:trial           GET     401        404       403        yes       yes         yes    yes
api:trial-promote   POST    401        404       403        403       403         yes    yes
api:trial-injection POST    401        404       403        403       yes         yes    yes
api:minings         GET     401        404       403        yes       yes         yes    yes
api:minings         POST    401        404       403        403       yes         yes    yes
api:mining          GET     401        404       403        yes       yes         yes    yes
api:mining-rubric   POST    401        404       403        403       yes         yes    yes
api:mining-criterion POST    401        404       403        403       403         yes    yes
api:send            POST    401        404       403        403       403         yes    yes
api:leaderboard     GET     401        404       yes        yes       yes         yes    yes
api:leaderboard     PUT     401        404       yes        yes       yes         yes    yes
api:label-qualification GET     401        404       yes        yes       yes         yes    yes
api:models          GET     401        404       403        403       yes         yes    yes
api:model           GET     401        404       403        403       yes         yes    yes
api:model-relabel   POST    401        404       403        403       yes         yes    yes
"""
ROWS = [line.split() for line in MATRIX.strip().splitlines()[1:]]


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every named route of the resolver, with its namespaces."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from routes(pattern.url_patterns, inner)
        else:
            yield f"{prefix}{pattern.name}", pattern


PATTERNS = dict(routes())


def address(route: str, world: World, **other: int | str) -> str:
    """The route's path in a world; `other` replaces ids."""
    values = {"slug": world.project.slug, **world.ids, **other}
    names = PATTERNS[route].pattern.converters
    return reverse(route, kwargs={name: values[name] for name in names})


def outcome(client: Client, method: str, path: str) -> str:
    """What the matrix calls the reply."""
    response = client.generic(method, path, content_type="application/x-www-form-urlencoded")
    # A route that is not written for this method would look as if it did its work.
    assert response.status_code != 405
    if response.status_code in {301, 302} and response["Location"].startswith("/login/?next="):
        return "login"
    anonymous = not client.session.get("_auth_user_id")
    if anonymous and path.startswith("/api/") and response.status_code in {401, 403}:
        return "401"
    return str(response.status_code) if response.status_code in {401, 403, 404} else "yes"


def clients(world: World) -> dict[str, Client]:
    """A client per column."""
    found = {"anonymous": Client(), "outsider": Client()}
    found["outsider"].force_login(make_user("outsider"))
    for role, person in world.people.items():
        found[role] = Client()
        found[role].force_login(person)
    return found


def test_every_route_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(PATTERNS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_route_against_the_matrix(row: list[str], ours: World) -> None:
    route, method, *expected = row
    path = address(route, ours)
    found = {role: outcome(client, method, path) for role, client in clients(ours).items()}
    assert found == dict(zip(COLUMNS, expected, strict=True))


@pytest.mark.parametrize("row", [row for row in ROWS if row[3] == "404"], ids=lambda row: row[0])
def test_members_of_one_project_are_outsiders_in_another(
    row: list[str], ours: World, theirs: World
) -> None:
    route, method, *_ = row
    client = Client()
    for role in ROLES:
        client.force_login(ours.people[role])
        assert outcome(client, method, address(route, theirs)) == "404"


# A kind of run is a word that every project knows.
WORDS = {"slug", "kind", "criterion"}
OBJECTS = sorted({row[0] for row in ROWS if set(PATTERNS[row[0]].pattern.converters) - WORDS})


@pytest.mark.parametrize("route", OBJECTS)
def test_objects_of_another_project_are_not_found_under_ones_own(
    route: str, ours: World, theirs: World
) -> None:
    method = next(row[1] for row in ROWS if row[0] == route)
    client = Client()
    client.force_login(ours.people["owner"])
    names = set(PATTERNS[route].pattern.converters) - WORDS - {"number"}
    if names:
        path = address(route, ours, **{name: theirs.ids[name] for name in names})
    else:
        path = address(route, ours, number=99)
    assert outcome(client, method, path) == "404"


WRITES = sorted({row[0] for row in ROWS} - {row[0] for row in ROWS if row[1] == "GET"})


@pytest.mark.parametrize("route", WRITES)
def test_a_write_is_no_get(route: str, ours: World) -> None:
    client = Client()
    client.force_login(ours.people["owner"])
    assert client.get(address(route, ours)).status_code == 405
