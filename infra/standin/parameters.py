#!/usr/bin/env python3
"""Writes src/stripe/http/parameters.txt: the names of the parameters that Stripe's API takes.

    git clone https://github.com/stripe/stripe-python
    infra/standin/parameters.py stripe-python > infra/standin/src/stripe/http/parameters.txt

stripe-python's `stripe/params` is generated from Stripe's OpenAPI file; of each class for an
operation, the fields are the names at the top level.
"""

import re
import subprocess
import sys

ROUTES = """
GET /v1/account                        account_retrieve_current
GET /v1/customers                      customer_list
POST /v1/customers                     customer_create
GET /v1/customers/search               customer_search
GET /v1/customers/{id}                 customer_retrieve
POST /v1/customers/{id}                customer_update
DELETE /v1/customers/{id}              customer_delete
GET /v1/products                       product_list
POST /v1/products                      product_create
GET /v1/products/search                product_search
GET /v1/products/{id}                  product_retrieve
POST /v1/products/{id}                 product_update
GET /v1/prices                         price_list
POST /v1/prices                        price_create
GET /v1/prices/search                  price_search
GET /v1/prices/{id}                    price_retrieve
POST /v1/prices/{id}                   price_update
GET /v1/checkout/sessions              checkout/session_list
POST /v1/checkout/sessions             checkout/session_create
GET /v1/checkout/sessions/{id}         checkout/session_retrieve
POST /v1/checkout/sessions/{id}        checkout/session_update
POST /v1/checkout/sessions/{id}/expire checkout/session_expire
GET /v1/subscriptions                  subscription_list
POST /v1/subscriptions                 subscription_create
GET /v1/subscriptions/search           subscription_search
GET /v1/subscriptions/{id}             subscription_retrieve
POST /v1/subscriptions/{id}            subscription_update
DELETE /v1/subscriptions/{id}          subscription_cancel
POST /v1/subscriptions/{id}/resume     subscription_resume
GET /v1/invoices                       invoice_list
GET /v1/invoices/search                invoice_search
GET /v1/invoices/{id}                  invoice_retrieve
POST /v1/invoices/{id}                 invoice_update
POST /v1/invoices/{id}/pay             invoice_pay
POST /v1/invoices/{id}/void            invoice_void_invoice
GET /v1/invoice_payments               invoice_payment_list
GET /v1/invoice_payments/{id}          invoice_payment_retrieve
GET /v1/charges                        charge_list
GET /v1/charges/search                 charge_search
GET /v1/charges/{id}                   charge_retrieve
GET /v1/refunds                        refund_list
POST /v1/refunds                       refund_create
GET /v1/refunds/{id}                   refund_retrieve
GET /v1/disputes                       dispute_list
GET /v1/disputes/{id}                  dispute_retrieve
POST /v1/disputes/{id}                 dispute_update
POST /v1/disputes/{id}/close           dispute_close
POST /v1/billing_portal/sessions       billing_portal/session_create
GET /v1/billing_portal/configurations  billing_portal/configuration_list
POST /v1/billing_portal/configurations billing_portal/configuration_create
GET /v1/billing_portal/configurations/{id}  billing_portal/configuration_retrieve
POST /v1/billing_portal/configurations/{id} billing_portal/configuration_update
GET /v1/test_helpers/test_clocks       test_helpers/test_clock_list
POST /v1/test_helpers/test_clocks      test_helpers/test_clock_create
GET /v1/test_helpers/test_clocks/{id}  test_helpers/test_clock_retrieve
DELETE /v1/test_helpers/test_clocks/{id} test_helpers/test_clock_delete
POST /v1/test_helpers/test_clocks/{id}/advance test_helpers/test_clock_advance
GET /v1/events                         event_list
GET /v1/events/{id}                    event_retrieve
GET /v1/webhook_endpoints              webhook_endpoint_list
POST /v1/webhook_endpoints             webhook_endpoint_create
GET /v1/webhook_endpoints/{id}         webhook_endpoint_retrieve
POST /v1/webhook_endpoints/{id}        webhook_endpoint_update
DELETE /v1/webhook_endpoints/{id}      webhook_endpoint_delete
"""


def git(repository, *arguments):
    return subprocess.check_output(["git", "-C", repository, *arguments], text=True)


def fields(repository, operation):
    folder, _, name = operation.rpartition("/")
    path = "/".join(filter(None, ["stripe/params", folder, f"_{name}_params.py"]))
    text = git(repository, "show", f"HEAD:{path}")
    body = re.search(r"^class \w+Params\(.*?\):\n(.*?)(?=^\w|\Z)", text, re.M | re.S).group(1)
    return re.findall(r"^    (\w+): ", body, re.M)


def main(repository):
    commit = git(repository, "rev-parse", "HEAD").strip()
    print("# Names of parameters at the top level, by operation. Written by parameters.py from")
    print(f"# https://github.com/stripe/stripe-python at {commit} (MIT).")
    for line in filter(None, ROUTES.splitlines()):
        verb, path, operation = line.split()
        print(f"{verb} {path}:", *fields(repository, operation))


main(sys.argv[1])
