import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or answers with, see docs/errors.md. */
export const dashboardErrors = defineErrors({
  ERR_DASHBOARD_REMOTE: {
    when: 'A dashboard was to listen on an address that other machines can reach, without that having been asked for.',
    hint: 'Leave the host out, which means 127.0.0.1, and reach it through an SSH tunnel; or pass allowRemote: true, knowing that token and documents then cross the network unencrypted.'
  },
  ERR_DASHBOARD_LISTEN: {
    when: 'The address or port of a dashboard cannot be used.',
    hint: 'Choose another port, or 0 for any that is free; the cause says what the operating system said.'
  },
  ERR_DASHBOARD_PAGE: {
    when: 'The files of the page are missing from the package.',
    hint: 'Install the package again, or build it when you work on its sources.'
  },
  ERR_DASHBOARD_TOKEN: {
    when: 'A request came without the token of this dashboard, or with another one.',
    hint: 'Open the address that was printed when it started; programs send the token as "Authorization: Bearer …".'
  },
  ERR_DASHBOARD_HOST: {
    when: 'A request came under a host name, or from a page, that is not the dashboard’s own.',
    hint: 'Use the address that was printed when it started; behind a proxy, pass the name that people use in the option hosts.'
  },
  ERR_DASHBOARD_METHOD: {
    when: 'A request wanted to change something.',
    hint: 'The dashboard only shows: it answers GET and HEAD. Documents are changed by the program, or by `kithmesh put` and `kithmesh rm`.'
  },
  ERR_DASHBOARD_REQUEST: {
    when: 'A request is not one that the dashboard answers: it has a body, or parameters that make no sense.',
    hint: 'See docs/dashboard.md for what can be asked.'
  },
  ERR_DASHBOARD_NOT_FOUND: {
    when: 'There is no such page, document, blob or report.',
    hint: 'It may have been deleted or moved on meanwhile; reload the page.'
  },
  ERR_DASHBOARD_BUSY: {
    when: 'As many pages are open as the dashboard serves at a time.',
    hint: 'Close some of them, or raise the limit maxPages.'
  },
  ERR_DASHBOARD_FAILED: {
    when: 'A request could not be answered because something in the dashboard or the database failed.',
    hint: 'The log of the program has the cause.'
  }
})
