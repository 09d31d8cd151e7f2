// What clients ask for, as S3 takes it. S3 reads a plain + of a path as a space,
// and no key of a mirror has one, so that only %2B can be meant. The root would be
// a listing, and what is Longshore's own is nobody's: the bucket's policy refuses
// it however it is written, here it is told as missing.
function handler(event) {
  var request = event.request;
  if (request.uri === '/' || request.uri.indexOf('/.longshore') === 0) {
    return { statusCode: 404, statusDescription: 'Not Found' };
  }
  request.uri = request.uri.replace(/\+/g, '%2B');
  return request;
}
