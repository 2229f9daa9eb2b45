"""What an authenticator is told of the request that somebody signs in with."""

from perijove.ports.authenticator import SignInRequest
from perijove.web.call import Call


def sign_in_request(call: Call) -> SignInRequest:
    return SignInRequest(callback_url=f"{call.public_origin}{call.surface.prefix}callback", address=call.address, headers=dict(call.request.headers))
