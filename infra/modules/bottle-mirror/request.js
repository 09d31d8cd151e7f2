// What clients ask for, as S3 takes it. S3 reads a plain + of a path as a space,
// and no key of a mirror has one, so that only %2B can be meant. A domain that
// is exported with a slash at its end makes two of them, and no key has that
// either. The root would be a listing, and what is Longshore's own is nobody's:
// the bucket's policy refuses it however it is written, here it is answered as
// missing.
function handler(event) {
  var request = event.request;
  var uri = request.uri.replace(/\/{2,}/g, '/');
  if (uri === '/' || uri.indexOf('/.longshore') === 0) {
    return { statusCode: 404, statusDescription: 'Not Found' };
  }
  request.uri = uri.replace(/\+/g, '%2B');
  return request;
}
